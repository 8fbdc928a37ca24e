"""Reading incidents: what their signals say right now, and the views of them that other rooms show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hemostat.alerts.models import Alert
from hemostat.base.texts import Text
from hemostat.catalog.models import Service
from hemostat.catalog.rules import Tier
from hemostat.detection.models import Drop
from hemostat.diagnosis import queries as diagnoses
from hemostat.diagnosis.rules.answer import Answer, TreeNode
from hemostat.incidents.models import Incident, IncidentSignal
from hemostat.incidents.rules.clocks import Milestones, StageClock, clocks
from hemostat.incidents.rules.severity import Impact, Level, level_of_loss
from hemostat.intake import queries as intake

CALL_GRAPH_OF = timedelta(minutes=10)


@dataclass(frozen=True)
class Lead:
    """The signal that stands for the incident in its headline."""

    headline: Text
    app_id: str
    entry: str
    baseline: float | None
    current: float | None
    users: int | None


def _service(app_id: str) -> tuple[Tier, str]:
    service = Service.objects.filter(app_id=app_id).first()
    return (Tier(service.tier), service.label) if service else (Tier.NORMAL, app_id)


def app_of_alert(alert: Alert) -> str:
    """The AppId an alert speaks of: its label `app_id`, `service` or `job`; "" when it has none of them."""
    return str(next((alert.labels[k] for k in ("app_id", "service", "service_name", "job") if alert.labels.get(k)), ""))


def impact_of_drop(drop: Drop) -> Impact:
    """What a drop says of the impact, at its worst so far while it lasts."""
    tier, label = _service(drop.app_id)
    level, lost = level_of_loss(drop.baseline, drop.current)
    return Impact(level, tier, label, lost, drop.users)


def impact_of_alert(alert: Alert) -> Impact:
    """What an alert says of the impact."""
    tier, label = _service(app_of_alert(alert))
    return Impact(Level(alert.level), tier, label or alert.name)


def lead(drops: Sequence[Drop], alerts: Sequence[Alert], answer: Answer | None) -> Lead:
    """Choose the signal that people recognise: the most important service that suffers, outermost on the path, then
    the one with the most failing users. Measured drops go before alerts. One of the two must not be empty."""
    if not drops:
        alert = min(alerts, key=lambda a: (list(Level).index(Level(a.level)) * -1, a.starts_at))
        summary = str(alert.annotations.get("summary") or alert.name)
        return Lead(Text("incidents.headline_alert", {"summary": summary}), app_of_alert(alert), "", None, None, None)
    callees = {callee for _, callee in answer.path} if answer else set()
    tiers = list(Tier)

    def weight(drop: Drop) -> tuple[bool, int, bool, int, int]:
        return (
            drop.recovered_at is not None,
            tiers.index(_service(drop.app_id)[0]),
            drop.app_id in callees,
            -drop.users,
            -drop.failed,
        )

    drop = min(drops, key=weight)
    service = Service.objects.filter(app_id=drop.app_id).first()
    what = service.label if service and service.label else drop.app_id
    text = Text(
        "incidents.headline_success",
        {"what": what, "entry": drop.entry, "before": round(drop.baseline, 4), "now": round(drop.current, 4)},
    )
    return Lead(text, drop.app_id, drop.entry, drop.baseline, drop.current, drop.users)


def neighbourhood(app_ids: Iterable[str], answer: Answer | None) -> frozenset[str]:
    """The AppIds that a failure around `app_ids` involves: theirs, and those on the failing paths that touch them."""
    mine = {a for a in app_ids if a}
    if answer is None:
        return frozenset(mine)
    for root in answer.tree:
        members = set(_members(root))
        if members & mine:
            mine |= members
    for cause in answer.causes:
        if cause.in_cause_set and cause.app_id in mine and cause.peer:
            mine.add(cause.peer)
    return frozenset(mine)


def beside(app_id: str, environment: str, now: datetime) -> frozenset[str]:
    """The services that call `app_id` or are called by it, by the traces of the last minutes.

    An entry and what it calls may fall in the same second, before the failing paths between them are known.
    """
    if not app_id:
        return frozenset()
    edges = intake.call_graph(environment, since=now - CALL_GRAPH_OF, until=now + CALL_GRAPH_OF)
    return frozenset(b if a == app_id else a for a, b in edges if app_id in {a, b})


def _members(node: TreeNode) -> Iterable[str]:
    if node.noise is None:
        yield node.app_id
        for child in node.children:
            yield from _members(child)


def still_failing(incident_id: int) -> Sequence[IncidentSignal]:
    """The signals of an incident that are not over yet."""
    return [
        s
        for s in IncidentSignal.objects.filter(incident_id=incident_id).select_related("drop", "alert")
        if (s.drop and s.drop.recovered_at is None) or (s.alert and s.alert.resolved_at is None)
    ]


@dataclass(frozen=True)
class IncidentSummary:
    """An incident in a list."""

    id: int
    code: str
    environment: str
    state: str
    severity: int
    headline: Text
    app_id: str
    opened_at: datetime
    onset_at: datetime
    acknowledged_by: str
    users_affected: int | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    cause: Text | None


@dataclass(frozen=True)
class RoleHolder:
    """Who holds a role since when."""

    role: str
    user_id: int
    name: str
    since: datetime


@dataclass(frozen=True)
class IncidentDetail:
    """An incident with everything that is read of it on one page."""

    summary: IncidentSummary
    severity_reason: Text
    entry: str
    kpi_baseline: float | None
    kpi_current: float | None
    clocks: tuple[StageClock, ...]
    roles: tuple[RoleHolder, ...]
    answer: Answer | None
    acknowledged_at: datetime | None


def _summary(row: Incident) -> IncidentSummary:
    answer = diagnoses.answer(row.diagnosis_id) if row.diagnosis_id else None
    return IncidentSummary(
        id=row.pk,
        code=row.code,
        environment=row.environment.slug,
        state=row.state,
        severity=row.severity,
        headline=Text.from_json(row.headline),
        app_id=row.service.app_id if row.service else "",
        opened_at=row.opened_at,
        onset_at=row.onset_at,
        acknowledged_by=str(row.acknowledged_by or ""),
        users_affected=row.users_affected,
        mitigated_at=row.mitigated_at,
        resolved_at=row.resolved_at,
        cause=answer.causes[0].sentence if answer and answer.causes else None,
    )


_RELATED = ("environment", "service", "acknowledged_by", "diagnosis")


def open_list() -> list[IncidentSummary]:
    """The incidents that are not resolved, worst and newest first."""
    rows = Incident.objects.filter(resolved_at__isnull=True).select_related(*_RELATED)
    return [_summary(row) for row in rows.order_by("severity", "-opened_at")]


def recent(limit: int = 50, before: int | None = None) -> list[IncidentSummary]:
    """The newest incidents, open or not; `before` is a number to go on from."""
    rows = Incident.objects.select_related(*_RELATED).order_by("-number")
    if before is not None:
        rows = rows.filter(number__lt=before)
    return [_summary(row) for row in rows[:limit]]


def by_code(code: str) -> Incident:
    """The incident called `code` (INC-318, in any case); raises Incident.DoesNotExist."""
    prefix, _, number = code.upper().partition("-")
    if prefix != "INC" or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise Incident.DoesNotExist(f"no incident is called {code!r}")
    return Incident.objects.select_related(*_RELATED).get(number=int(number))


def milestones(row: Incident) -> Milestones:
    """When the stages of an incident were over."""
    return Milestones(row.onset_at, row.opened_at, row.triaged_at, row.mitigated_at, row.resolved_at)


def detail(incident_id: int, now: datetime) -> IncidentDetail:
    """Everything about one incident; raises Incident.DoesNotExist."""
    row = Incident.objects.select_related(*_RELATED).get(pk=incident_id)
    return IncidentDetail(
        summary=_summary(row),
        severity_reason=Text.from_json(row.severity_reason),
        entry=row.entry,
        kpi_baseline=row.kpi_baseline,
        kpi_current=row.kpi_current,
        clocks=clocks(milestones(row), row.severity, now),
        roles=tuple(
            RoleHolder(r.role, r.user_id, str(r.user), r.since)
            for r in row.roles.select_related("user").order_by("role")
        ),
        answer=diagnoses.answer(row.diagnosis_id) if row.diagnosis_id else None,
        acknowledged_at=row.acknowledged_at,
    )
