"""Everything that the page of one incident is made from."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from hemostat.base.svg import Point
from hemostat.desk.rules.facts import Facts, OptionFact, PagingFact, ReaderFact, RoleFact, RunFact, StepFact
from hemostat.desk.rules.incident import CURVE_BEFORE, etag
from hemostat.detection import queries as detection
from hemostat.events import queries as events
from hemostat.incidents import queries as incidents
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import Role, State
from hemostat.paging import queries as paging
from hemostat.people.models import User
from hemostat.people.rules import Permission
from hemostat.plans import queries as plans

CURVE_AFTER = timedelta(minutes=3)
"""How long after its end the curve of a closed incident goes on."""
CURVE_MOST = timedelta(minutes=60)
"""How much time a curve shows at most, so that a long incident stays readable."""


def reader_of(user: User) -> ReaderFact:
    """What the page must know of who looks at it."""
    return ReaderFact(user.pk, str(user), user.may(Permission.RESPOND), user.may(Permission.RUN_PLANS))


def _series(row: Incident, now: datetime) -> list[Point]:
    if row.service is None or row.kpi_baseline is None:
        return []
    until = min(now, row.resolved_at + CURVE_AFTER) if row.resolved_at else now
    since = max(row.onset_at - CURVE_BEFORE, until - CURVE_MOST)
    series = detection.kpi(row.environment.slug, row.service.app_id, row.entry, since, until)
    return [Point(p.at, p.share) for p in series.points if p.share is not None]


def _run(view: plans.RunView) -> RunFact:
    return RunFact(
        id=view.id,
        plan_id=view.plan_id,
        name=view.plan_name,
        state=view.state,
        started_at=view.started_at,
        started_by=view.started_by,
        steps=tuple(
            StepFact(s.position, s.name, s.state, s.output, s.started_at, s.finished_at, s.reason) for s in view.steps
        ),
        steps_done_at=view.steps_done_at,
        finished_at=view.finished_at,
        kpi_before=view.kpi_before,
        kpi_after=view.kpi_after,
        goal=view.goal,
        window=timedelta(seconds=view.window_s),
        undo=view.undo,
        reason=view.reason,
        waits_for=view.waits_for,
    )


def _option(option: plans.PlanOption) -> OptionFact:
    helped, ran = option.worked
    return OptionFact(
        plan_id=option.plan_id,
        slug=option.slug,
        name=option.name,
        steps=option.steps,
        about_s=option.about_s,
        touches=option.touches,
        undo=option.undo,
        ran=ran,
        helped=helped,
        why=option.why,
        tried=option.tried,
        cannot=option.cannot,
    )


def _paging(incident_id: int) -> PagingFact:
    page = paging.page_of(incident_id)
    if page is None:
        return PagingFact("")
    rung = dict.fromkeys(d.user for d in page.deliveries if d.step == page.step and d.message == "page")
    return PagingFact(page.state.value, tuple(rung), page.due_at)


def facts(row: Incident, reader: User, now: datetime) -> Facts:
    """Gather what the page of `row` is made from."""
    detail = incidents.detail(row.pk, now)
    return Facts(
        now=now,
        id=row.pk,
        code=row.code,
        environment=row.environment.slug,
        state=State(row.state),
        severity=row.severity,
        severity_reason=detail.severity_reason,
        headline=detail.summary.headline,
        service=str(row.service) if row.service else "",
        purpose=row.service.purpose if row.service else "",
        onset_at=row.onset_at,
        opened_at=row.opened_at,
        kpi_baseline=row.kpi_baseline,
        kpi_current=row.kpi_current,
        users=row.users_affected or None,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=detail.summary.acknowledged_by,
        acknowledged_by_id=row.acknowledged_by_id,
        mitigated_at=row.mitigated_at,
        resolved_at=row.resolved_at,
        quiet=timedelta(seconds=settings.CONFIG.resolve_quiet_s),
        clocks=detail.clocks,
        roles=[RoleFact(Role(r.role), r.user_id, r.name, r.since) for r in detail.roles],
        answer=detail.answer,
        series=_series(row, now),
        options=[_option(o) for o in plans.options_for(row, detail.answer)] if row.resolved_at is None else [],
        runs=[_run(r) for r in plans.runs_of(row.pk)],
        paging=_paging(row.pk),
        events=events.about("incident", str(row.pk)),
        reader=reader_of(reader),
    )


def stamp(row: Incident, now: datetime) -> str:
    """The ETag of the page: a few small queries, so that asking every second costs little."""
    runs = plans.runs_of(row.pk)
    return etag(
        newest_event=events.last_id_about("incident", str(row.pk)),
        severity=row.severity,
        users=row.users_affected,
        run=_run(runs[0]) if runs else None,
        over=row.resolved_at is not None,
        now=now,
    )
