"""Alerts as pages and other rooms see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hemostat.alerts.models import Alert
from hemostat.alerts.rules import labels as words
from hemostat.base.texts import Text


@dataclass(frozen=True)
class AlertView:
    """An alert and what became of it."""

    id: int
    source: str
    """name of the source"""
    environment: str
    app_id: str
    """the service its labels name, or "" """
    name: str
    level: words.Level
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str
    starts_at: datetime
    ends_at: datetime
    """when it resolves unless it is sent again"""
    last_seen_at: datetime
    received: int
    resolved_at: datetime | None
    fate: Text | None
    """None while nothing was decided"""


def _view(row: Alert) -> AlertView:
    return AlertView(
        id=row.pk,
        source=row.source.name,
        environment=row.environment,
        app_id=words.app_id(row.labels),
        name=row.name,
        level=words.Level(row.level),
        labels=row.labels,
        annotations=row.annotations,
        generator_url=row.generator_url,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        last_seen_at=row.last_seen_at,
        received=row.received,
        resolved_at=row.resolved_at,
        fate=Text.from_json(row.fate) if row.fate else None,
    )


def alert(alert_id: int) -> AlertView:
    """One alert; raises `Alert.DoesNotExist`."""
    return _view(Alert.objects.select_related("source").get(pk=alert_id))


def open_alerts(environment: str | None = None) -> list[AlertView]:
    """What fires now, the latest first; of one environment, or of all."""
    rows = Alert.objects.select_related("source").filter(resolved_at__isnull=True).order_by("-starts_at", "-pk")
    return [_view(row) for row in (rows.filter(environment=environment) if environment else rows)]


def recent(limit: int = 100) -> list[AlertView]:
    """The latest alerts, open or over."""
    return [_view(row) for row in Alert.objects.select_related("source").order_by("-pk")[:limit]]
