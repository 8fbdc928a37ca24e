"""Reading drops, and the figures they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hemostat.detection.models import Drop
from hemostat.detection.rules import BUCKET_S, Span
from hemostat.intake import queries as intake


class Success(NamedTuple):
    """How a KPI did over some time."""

    share: float
    """of good requests, 0 to 1; 0 when there were none, which is no success"""
    requests: int


@dataclass(frozen=True)
class KpiPoint:
    """Ten seconds of a KPI."""

    at: datetime
    requests: int
    failed: int

    @property
    def share(self) -> float | None:
        """The share of good requests, None when there were none."""
        return 1 - self.failed / self.requests if self.requests else None


@dataclass(frozen=True)
class KpiSeries:
    """The success rate of one entry, every ten seconds; buckets without requests are there too."""

    environment: str
    app_id: str
    entry: str
    points: tuple[KpiPoint, ...]


@dataclass(frozen=True)
class DropView:
    """A drop as others see it."""

    id: int
    environment: str
    app_id: str
    entry: str
    onset_at: datetime
    detected_at: datetime
    recovered_at: datetime | None
    baseline: float
    worst: float
    current: float
    failed: int
    users: int
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is called: the entry that fell."""
        return f"{self.app_id} {self.entry}"


def view(row: Drop) -> DropView:
    """A stored drop as others see it."""
    return DropView(
        id=row.pk,
        environment=row.environment,
        app_id=row.app_id,
        entry=row.entry,
        onset_at=row.onset_at,
        detected_at=row.detected_at,
        recovered_at=row.recovered_at,
        baseline=row.baseline,
        worst=row.worst,
        current=row.current,
        failed=row.failed,
        users=row.users,
        evidence=row.evidence,
    )


def drop(drop_id: int) -> DropView:
    """One drop; raises `Drop.DoesNotExist`."""
    return view(Drop.objects.get(pk=drop_id))


def open_drops(environment: str | None = None) -> list[DropView]:
    """Drops that have not recovered, of one environment or of all, the earliest first."""
    rows = Drop.objects.filter(recovered_at__isnull=True)
    if environment is not None:
        rows = rows.filter(environment=environment)
    return [view(row) for row in rows.order_by("onset_at", "id")]


def over_between(environment: str, since: datetime, until: datetime) -> list[tuple[str, str, Span]]:
    """AppId, entry and stretch of the drops since recovered: these stretches are no baseline."""
    rows = Drop.objects.filter(environment=environment, recovered_at__gte=since, onset_at__lt=until)
    return [
        (app_id, entry, Span(onset.timestamp(), recovered.timestamp()))
        for app_id, entry, onset, recovered in rows.values_list("app_id", "entry", "onset_at", "recovered_at")
        if recovered is not None
    ]


def kpi(environment: str, app_id: str, entry: str, since: datetime, until: datetime) -> KpiSeries:
    """The success rate of an entry in the buckets that touch [since, until)."""
    start = int(since.timestamp() // BUCKET_S) * BUCKET_S
    first = datetime.fromtimestamp(start, since.tzinfo)
    found = {
        int(p.bucket.timestamp()): p
        for p in intake.red(environment, since=first, until=until, app_id=app_id, entry=entry)
    }
    points = []
    while first < until:
        point = found.get(int(first.timestamp()))
        points.append(KpiPoint(first, point.requests if point else 0, point.failed if point else 0))
        first += timedelta(seconds=BUCKET_S)
    return KpiSeries(environment, app_id, entry, tuple(points))


def success(environment: str, app_id: str, entry: str, since: datetime, until: datetime) -> Success:
    """The success rate over the buckets that lie whole after `since` and begin before `until`."""
    return total(intake.red(environment, since=since, until=until, app_id=app_id, entry=entry))


def total(points: Sequence[intake.RedPoint]) -> Success:
    """The success rate of several points together."""
    requests = sum(p.requests for p in points)
    failed = sum(p.failed for p in points)
    return Success(1 - failed / requests if requests else 0.0, requests)


def users(environment: str, app_id: str, entry: str, since: datetime, until: datetime) -> int:
    """How many different users met a failure of an entry, about; from the bucket of `since` on."""
    start = datetime.fromtimestamp(since.timestamp() // BUCKET_S * BUCKET_S, since.tzinfo)
    return intake.users_failed(environment, app_id, entry, start, until)
