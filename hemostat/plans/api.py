"""Plans and runs over the REST API."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema, Status

from hemostat.base.refusals import RefusedError
from hemostat.base.texts import render
from hemostat.incidents import queries as incidents
from hemostat.incidents.models import Incident
from hemostat.people.api_auth import caller, token_or_session
from hemostat.people.repeats import once
from hemostat.people.rules import Permission
from hemostat.plans import actions, queries
from hemostat.plans.models import Plan, Run

router = Router(tags=["plans"])


class PlanOut(Schema):
    """A plan with its record."""

    slug: str
    name: str
    verb: str
    description: str
    touches: str
    undo: str
    about_s: int
    enabled: bool
    steps: list[str]
    helped: int
    runs: int
    last_run_at: datetime | None


class OptionOut(Schema):
    """A plan that comes up for an incident; the list is in order, best first."""

    slug: str
    name: str
    verb: str
    steps: int
    about_s: int
    touches: str
    undo: str
    helped: int
    runs: int
    why: str
    reasons: list[str]
    tried: str | None
    cause_rank: int
    values: dict[str, str]
    preview: list[str]
    cannot: str | None


class StepOut(Schema):
    """A step of a run; `output` is what it printed, without secrets."""

    position: int
    name: str
    kind: str
    state: str
    reason: str | None
    output: str
    started_at: datetime | None
    finished_at: datetime | None


class RunOut(Schema):
    """A run as it stands."""

    id: int
    plan: str
    plan_name: str
    incident: str
    state: str
    outcome: str
    started_by: str
    started_at: datetime
    steps_done_at: datetime | None
    gives_up_at: datetime | None
    finished_at: datetime | None
    kpi_before: float | None
    kpi_after: float | None
    goal: float | None
    waits_for: str
    steps: list[StepOut]


class StartIn(Schema):
    """The plan to run, by its slug."""

    plan: str


class DecideIn(Schema):
    """Whether the step of unknown outcome happened."""

    happened: bool


class Changed(Schema):
    """Whether anything changed; false when it was so before."""

    changed: bool


def _plan(view: queries.PlanView) -> PlanOut:
    helped, runs = view.worked
    return PlanOut(
        slug=view.slug,
        name=view.name,
        verb=view.verb.value,
        description=view.description,
        touches=view.touches,
        undo=view.undo,
        about_s=view.about_s,
        enabled=view.enabled,
        steps=[step.name for step in view.steps],
        helped=helped,
        runs=runs,
        last_run_at=view.last_run_at,
    )


def _option(option: queries.PlanOption) -> OptionOut:
    helped, runs = option.worked
    return OptionOut(
        slug=option.slug,
        name=option.name,
        verb=option.verb.value,
        steps=option.steps,
        about_s=option.about_s,
        touches=option.touches,
        undo=option.undo,
        helped=helped,
        runs=runs,
        why=render(option.why),
        reasons=[render(part.reason) for part in option.reasons],
        tried=option.tried.value if option.tried else None,
        cause_rank=option.cause_rank,
        values=dict(option.values),
        preview=list(option.preview),
        cannot=render(option.cannot) if option.cannot else None,
    )


def _run(view: queries.RunView) -> RunOut:
    return RunOut(
        id=view.id,
        plan=view.plan_slug,
        plan_name=view.plan_name,
        incident=view.incident_code,
        state=view.state.value,
        outcome=render(view.outcome),
        started_by=view.started_by,
        started_at=view.started_at,
        steps_done_at=view.steps_done_at,
        gives_up_at=view.gives_up_at,
        finished_at=view.finished_at,
        kpi_before=view.kpi_before,
        kpi_after=view.kpi_after,
        goal=view.goal,
        waits_for=view.waits_for,
        steps=[
            StepOut(
                position=step.position,
                name=step.name,
                kind=step.kind,
                state=step.state.value,
                reason=render(step.reason) if step.reason else None,
                output=step.output,
                started_at=step.started_at,
                finished_at=step.finished_at,
            )
            for step in view.steps
        ],
    )


def _incident(code: str) -> Incident:
    try:
        return incidents.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(str(error)) from error


def _run_view(run_id: int) -> queries.RunView:
    try:
        return queries.run(run_id)
    except Run.DoesNotExist as error:
        raise Http404(f"no run has the number {run_id}") from error


@router.get("/plans", response=list[PlanOut], auth=token_or_session(Permission.READ))
def list_plans(request: HttpRequest) -> list[PlanOut]:
    """All plans, by verb and name."""
    return [_plan(view) for view in queries.plans()]


@router.get("/plans/{slug}", response=PlanOut, auth=token_or_session(Permission.READ))
def get_plan(request: HttpRequest, slug: str) -> PlanOut:
    """One plan."""
    try:
        return _plan(queries.plan_by_slug(slug))
    except Plan.DoesNotExist as error:
        raise Http404(f"no plan is called {slug}") from error


@router.get("/incidents/{code}/options", response=list[OptionOut], auth=token_or_session(Permission.READ))
def list_options(request: HttpRequest, code: str) -> list[OptionOut]:
    """The plans that come up for an incident, best first."""
    return [_option(option) for option in queries.options_for(_incident(code))]


@router.get("/incidents/{code}/runs", response=list[RunOut], auth=token_or_session(Permission.READ))
def list_runs(request: HttpRequest, code: str) -> list[RunOut]:
    """The runs for an incident, newest first."""
    return [_run(view) for view in queries.runs_of(_incident(code).pk)]


@router.post("/incidents/{code}/runs", response={201: RunOut}, auth=token_or_session(Permission.RUN_PLANS))
def start_run(request: HttpRequest, code: str, data: StartIn) -> Status[RunOut]:
    """Run a plan for an incident; 409 while another one runs."""
    incident = _incident(code)
    plan = Plan.objects.filter(slug=data.plan).first()
    if plan is None:
        raise RefusedError(_("No plan is called “%(slug)s”; nothing was started.") % {"slug": data.plan}, field="plan")

    def start() -> RunOut:
        return _run(queries.run(actions.start(plan.pk, incident.pk, user=caller(request)).pk))

    return Status(201, once(request, RunOut, start))


@router.get("/runs/{int:run_id}", response=RunOut, auth=token_or_session(Permission.READ))
def get_run(request: HttpRequest, run_id: int) -> RunOut:
    """One run with what its steps printed."""
    return _run(_run_view(run_id))


@router.post("/runs/{int:run_id}/cancel", response=Changed, auth=token_or_session(Permission.RUN_PLANS))
def cancel_run(request: HttpRequest, run_id: int) -> Changed:
    """Stop a run; what it has done stays done."""
    return Changed(changed=actions.cancel(_run_view(run_id).id, user=caller(request)))


@router.post("/runs/{int:run_id}/decide", response=Changed, auth=token_or_session(Permission.RUN_PLANS))
def decide_run(request: HttpRequest, run_id: int, data: DecideIn) -> Changed:
    """Say whether the step of unknown outcome happened."""
    run_id = _run_view(run_id).id
    return Changed(changed=actions.decide_unknown(run_id, user=caller(request), happened=data.happened))
