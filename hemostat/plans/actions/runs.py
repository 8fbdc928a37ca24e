"""What people do with runs: start one, stop it, say what an unknown outcome was."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from hemostat.base import clock, due, wake
from hemostat.base.refusals import RefusedError
from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import Cause
from hemostat.events.actions import record
from hemostat.incidents import actions as incidents
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import Role, State
from hemostat.people import queries as people
from hemostat.people.models import User
from hemostat.plans import queries
from hemostat.plans.actions import progress
from hemostat.plans.models import Plan, Run, RunStep
from hemostat.plans.rules import plan as rules
from hemostat.plans.rules.prepared import prepare_all
from hemostat.plans.rules.snapshot import Kpi, Snapshot
from hemostat.plans.rules.states import OPEN_RUNS, RunState, StepState
from hemostat.plans.rules.values import Filling, MissingValueError, ValueRefusedError, fill_label

BEFORE = timedelta(seconds=30)
"""How far back the KPI is looked at when a run starts."""


def start(plan_id: int, incident_id: int, *, user: User) -> Run:
    """Run a plan for an incident. The one who starts it acknowledges the incident and takes fast recovery.

    Raises `RefusedError` when the incident is over, another run goes on, or a value that the plan needs is not known.
    """
    with transaction.atomic():
        plan = Plan.objects.get(pk=plan_id)
        if not plan.enabled:
            raise RefusedError(_("“%(plan)s” is switched off.") % {"plan": plan.name}, conflict=True)
        incident = (
            Incident.objects.select_for_update(of=("self",))
            .select_related("environment", "service", "diagnosis")
            .get(pk=incident_id)
        )
        if incident.state == State.RESOLVED:
            raise RefusedError(_("%(code)s is over; nothing was started.") % {"code": incident.code}, conflict=True)
        stamped = _stamp(plan, incident)
        run = _create(plan, incident, stamped, user)
        RunStep.objects.bulk_create(
            RunStep(run=run, position=position, name=fill_label(step.name, stamped.values)[:200], kind=step.kind)
            for position, step in enumerate(stamped.steps)
        )
        incidents.acknowledge(incident.pk, user=user, via="run")
        incidents.take_role(incident.pk, user=user, role=Role.RECOVERY)
        record(
            "plans.run_started",
            actor=people.ref(user),
            subjects=progress.subjects(run),
            params={"plan": plan.name, "slug": plan.slug, "steps": len(stamped.steps)},
        )
        wake.wake(wake.ENGINE, "runs")
    return run


def _stamp(plan: Plan, incident: Incident) -> Snapshot:
    """The plan as it is, filled from the incident; refused when something it needs cannot be filled."""
    cause = _cause_for(plan, incident)
    steps = rules.steps_from_json(plan.steps)
    values = queries.values_for(plan, incident, cause)
    try:
        prepare_all(steps, Filling(values, plan.secrets))
    except MissingValueError as error:
        raise RefusedError(
            _("“%(plan)s” needs {%(name)s}, which is not known for %(code)s; nothing was started.")
            % {"plan": plan.name, "name": error.name, "code": incident.code},
            field=error.name,
        ) from error
    except ValueRefusedError as error:
        raise RefusedError(
            _("“%(plan)s”: the value of {%(name)s} %(why)s; nothing was started.")
            % {"plan": plan.name, "name": error.name, "why": error.why},
            field=error.name,
        ) from error
    kpi = None
    if incident.service is not None and incident.entry and incident.kpi_baseline is not None:
        kpi = Kpi(
            environment=incident.environment.slug,
            app_id=incident.service.app_id,
            entry=incident.entry,
            baseline=incident.kpi_baseline,
        )
    return Snapshot(
        slug=plan.slug,
        name=plan.name,
        steps=steps,
        verification=rules.verification_from_json(plan.verification),
        values=values,
        secrets=plan.secrets,
        kpi=kpi,
        cause_app_id=cause.app_id if cause else "",
    )


def _cause_for(plan: Plan, incident: Incident) -> Cause | None:
    """The cause that the plan comes up for: the one it is offered for, else the first."""
    answer = queries.answer_of(incident)
    causes = answer.causes if answer else ()
    offered = next((o for o in queries.options_for(incident, answer) if o.plan_id == plan.pk), None)
    rank = offered.cause_rank if offered else 1
    return next((cause for cause in causes if cause.rank == rank), None)


def _create(plan: Plan, incident: Incident, stamped: Snapshot, user: User) -> Run:
    now = clock.now()
    before = queries.kpi_share(stamped.kpi, now - BEFORE, now)[0] if stamped.kpi else None
    try:
        with transaction.atomic():
            return Run.objects.create(
                plan=plan,
                incident=incident,
                snapshot=rules.as_json(stamped),
                runner=rules.runner_of(stamped.steps[0]),
                started_by=user,
                started_at=now,
                kpi_before=incident.kpi_current if before is None else before,
                due_at=now,
            )
    except IntegrityError as error:
        running = Run.objects.filter(incident=incident, state__in=OPEN_RUNS).select_related("plan").first()
        raise RefusedError(
            _("“%(plan)s” is running for %(code)s; wait for it, or stop it first. Nothing else was started.")
            % {"plan": running.plan.name if running else plan.name, "code": incident.code},
            conflict=True,
        ) from error


def cancel(run_id: int, *, user: User) -> bool:
    """Stop a run. A step that is going on is ended as soon as its engine sees it, and is written down as unknown.

    Returns False when the run was over before.
    """
    with transaction.atomic():
        run = progress.locked(run_id)
        if run.state not in OPEN_RUNS:
            return False
        progress.conclude(
            run, RunState.CANCELLED, Text("plans.stopped_by", {"actor": str(user)}), actor=people.ref(user)
        )
        return True


def decide_unknown(run_id: int, *, user: User, happened: bool) -> bool:
    """A person says whether the step in question happened: then the run goes on, else it has failed.

    Returns False when there is nothing to say any more.
    """
    with transaction.atomic():
        run = progress.locked(run_id)
        step = run.steps.filter(state=StepState.UNKNOWN).first()
        if run.state != RunState.OUTCOME_UNKNOWN or step is None:
            return False
        actor = people.ref(user)
        code = "plans.person_says_it_happened" if happened else "plans.person_says_it_did_not"
        progress.end_step(
            run, step, StepState.DONE if happened else StepState.FAILED, Text(code, {"actor": str(user)}), actor=actor
        )
        if happened:
            progress.move(run, RunState.RUNNING)
            run.reason = {}
            due.release(run, due_at=clock.now())
            run.save()
            wake.wake(wake.ENGINE, "runs")
        else:
            progress.conclude(
                run,
                RunState.FAILED,
                Text("plans.step_failed", {"step": step.name, "reason": Text(code, {"actor": str(user)}).as_json()}),
                actor=actor,
            )
        return True
