"""Plans with their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from hemostat.plans.models import Plan, Run
from hemostat.plans.rules import match, plan
from hemostat.plans.rules.states import RunState, Verb

ENDED_WITH_VERDICT = (RunState.HELPED, RunState.DID_NOT_HELP)


@dataclass(frozen=True)
class PastRun:
    """A run in the record of a plan."""

    id: int
    state: RunState
    at: datetime
    incident_code: str
    before: float | None
    after: float | None
    took_s: float | None


@dataclass(frozen=True)
class PlanView:
    """A plan with its record."""

    id: int
    slug: str
    name: str
    verb: Verb
    description: str
    touches: str
    undo: str
    about_s: int
    enabled: bool
    steps: tuple[plan.Step, ...]
    verification: plan.Verification
    associations: tuple[plan.Association, ...]
    secrets: tuple[str, ...]
    """names only"""
    worked: tuple[int, int]
    last_run_at: datetime | None
    marks: tuple[PastRun, ...] = ()
    """its latest runs, oldest first"""


def plans() -> list[PlanView]:
    """All plans by verb and name, with their records."""
    rows = Plan.objects.prefetch_related("associations").order_by("verb", "name")
    return _plan_views(list(rows))


def plan_by_slug(slug: str) -> PlanView:
    """One plan; raises Plan.DoesNotExist."""
    return _plan_views([Plan.objects.prefetch_related("associations").get(slug=slug)])[0]


def _past(run: Run) -> PastRun:
    return PastRun(
        id=run.pk,
        state=RunState(run.state),
        at=run.started_at,
        incident_code=run.incident.code,
        before=run.kpi_before,
        after=run.kpi_after,
        took_s=(run.finished_at - run.started_at).total_seconds() if run.finished_at else None,
    )


def _plan_views(rows: Sequence[Plan], marks: int = 12) -> list[PlanView]:
    records = records_of(rows)
    by_plan: dict[int, list[PastRun]] = {}
    for run in Run.objects.filter(plan__in=rows).select_related("incident").order_by("-pk")[: marks * len(rows)]:
        seen = by_plan.setdefault(run.plan_id, [])
        if len(seen) < marks:
            seen.insert(0, _past(run))
    views = []
    for row in rows:
        record, latest = records.get(row.pk, match.Record()), by_plan.get(row.pk, [])
        views.append(
            PlanView(
                id=row.pk,
                slug=row.slug,
                name=row.name,
                verb=Verb(row.verb),
                description=row.description,
                touches=row.touches,
                undo=row.undo,
                about_s=row.about_s,
                enabled=row.enabled,
                steps=plan.steps_from_json(row.steps),
                verification=plan.verification_from_json(row.verification),
                associations=associations(row),
                secrets=tuple(sorted(row.secrets)),
                worked=(record.helped, record.total),
                last_run_at=latest[-1].at if latest else None,
                marks=tuple(latest),
            )
        )
    return views


def associations(row: Plan) -> tuple[plan.Association, ...]:
    return tuple(
        plan.Association(
            app_id=a.app_id,
            operation=a.operation,
            exception_class=a.exception_class,
            error=a.error,
            coordinate=a.coordinate,
        )
        for a in row.associations.all()
    )


def records_of(rows: Iterable[Plan]) -> dict[int, match.Record]:
    counted = (
        Run.objects.filter(plan__in=list(rows), state__in=ENDED_WITH_VERDICT)
        .values("plan_id")
        .annotate(total=Count("pk"), helped=Count("pk", filter=Q(state=RunState.HELPED)))
    )
    return {c["plan_id"]: match.Record(c["helped"], c["total"]) for c in counted}
