"""What the Now page and the list of incidents are made from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from hemostat.base.texts import Text
from hemostat.channels import queries as channels
from hemostat.desk.queries.health import health
from hemostat.desk.queries.setup import checks, set_up
from hemostat.desk.rules.now import Duty, NowPage, OpenIncident, Row, needs, row, strip
from hemostat.incidents.models import Incident, IncidentRole
from hemostat.incidents.rules.states import Role, State
from hemostat.oncall.queries import ScheduleView
from hemostat.paging.models import Page
from hemostat.paging.rules.states import PageState
from hemostat.people.models import User
from hemostat.plans.models import Run
from hemostat.plans.rules.states import OPEN_RUNS

STRIP = timedelta(days=90)
PAGE_SIZE = 50


def _with_facts(rows: QuerySet[Incident]) -> QuerySet[Incident]:
    """Adds what rows of lists need, so that a list is one query whatever its length."""
    return rows.select_related("environment", "service", "acknowledged_by", "diagnosis").annotate(
        commander_name=Subquery(
            IncidentRole.objects.filter(incident=OuterRef("pk"), role=Role.COMMANDER).values("user__name")[:1]
        ),
        run_state=Subquery(Run.objects.filter(incident=OuterRef("pk"), state__in=OPEN_RUNS).values("state")[:1]),
        nobody_left=Exists(Page.objects.filter(incident=OuterRef("pk"), state=PageState.EXHAUSTED)),
    )


def _read(incident: Incident) -> OpenIncident:
    causes = incident.diagnosis.answer.get("causes") if incident.diagnosis else None
    facts = vars(incident)
    return OpenIncident(
        id=incident.pk,
        code=incident.code,
        severity=incident.severity,
        state=State(incident.state),
        headline=Text.from_json(incident.headline),
        service=str(incident.service or ""),
        users=incident.users_affected or None,
        onset_at=incident.onset_at,
        opened_at=incident.opened_at,
        acknowledged_by=str(incident.acknowledged_by or ""),
        commander=facts["commander_name"] or "",
        run=facts["run_state"] or "",
        nobody_left=facts["nobody_left"],
        cause=Text.from_json(causes[0]["sentence"]) if causes else None,
        cause_app_id=causes[0]["app_id"] if causes else "",
    )


def open_count() -> int:
    """How many incidents still fail: the figure in the navigation."""
    return Incident.objects.filter(state__in=[State.OPEN, State.ACKNOWLEDGED]).count()


def duties(views: Sequence[ScheduleView], reader: User) -> list[Duty]:
    """Each schedule with who is on call, until when, and who comes next."""
    reached = channels.working_ways(v.now.user.pk for v in views if v.now is not None)
    return [
        Duty(
            schedule=v.name,
            person=str(v.now.user) if v.now else "",
            you=v.now is not None and v.now.user.pk == reader.pk,
            until=v.now.end if v.now and len(v.people) > 1 else None,
            then=str(v.following.user) if v.now and v.following and v.following.user != v.now.user else "",
            reachable=v.now is not None and v.now.user.pk in reached,
        )
        for v in views
    ]


def now_page(reader: User, now: datetime) -> NowPage:
    """Gather what the Now page shows."""
    rows = _with_facts(Incident.objects.filter(resolved_at__isnull=True)).order_by("severity", "-opened_at")
    incidents = [_read(i) for i in rows]
    found = set_up(reader, now)
    on_duty = duties(found.schedules, reader)
    held = checks(found, now)
    last = _with_facts(Incident.objects.filter(resolved_at__isnull=False)).order_by("-opened_at").first()
    begun = Incident.objects.filter(opened_at__gte=now - STRIP).values_list("opened_at", "severity")
    return NowPage(
        rows=tuple(row(i, now) for i in incidents),
        needs=needs(incidents, on_duty, held, now),
        duties=tuple(on_duty),
        checks=tuple(held),
        health=tuple(health(now, frozenset(i.cause_app_id for i in incidents))),
        days=strip(list(begun), now),
        last=_read(last) if last else None,
        last_lasted_s=(last.resolved_at - last.onset_at).total_seconds() if last and last.resolved_at else 0,
        ever=Incident.objects.count() if last is None else last.number,
    )


FILTERS = ("open", "severe", "mine")


def incident_list(reader: User, show: str, before: int | None, now: datetime) -> tuple[list[Row], int | None]:
    """Incidents, newest first, and the number to go on from when there are more.

    `show` is one of FILTERS; anything else shows all.
    """
    rows: QuerySet[Incident] = Incident.objects.order_by("-number")
    if show == "open":
        rows = rows.filter(resolved_at__isnull=True)
    elif show == "severe":
        rows = rows.filter(severity__lte=1)
    elif show == "mine":
        rows = rows.filter(Exists(IncidentRole.objects.filter(incident=OuterRef("pk"), user=reader)))
    if before is not None:
        rows = rows.filter(number__lt=before)
    found: Sequence[Incident] = list(_with_facts(rows)[: PAGE_SIZE + 1])
    more = found[PAGE_SIZE - 1].number if len(found) > PAGE_SIZE else None
    return [row(_read(i), now, i.resolved_at) for i in found[:PAGE_SIZE]], more
