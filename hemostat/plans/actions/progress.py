"""What people's actions and the engine's have in common: moving a run and its steps, with the events that tell it.

Every function runs in the caller's transaction, with the run locked.
"""

from __future__ import annotations

from typing import Any

from hemostat.base import clock, due, wake
from hemostat.base.texts import Text
from hemostat.events.actions import record
from hemostat.events.rules import SYSTEM, Ref
from hemostat.incidents.actions import ref as incident_ref
from hemostat.plans.actions.library import plan_ref
from hemostat.plans.models import Run, RunStep
from hemostat.plans.rules.run import after_end
from hemostat.plans.rules.states import RUN, STEP, RunState, StepState

_EVENTS = {
    RunState.HELPED: "plans.run_helped",
    RunState.DID_NOT_HELP: "plans.run_did_not_help",
    RunState.FAILED: "plans.run_failed",
    RunState.OUTCOME_UNKNOWN: "plans.run_outcome_unknown",
    RunState.CANCELLED: "plans.run_cancelled",
}


def locked(run_id: int) -> Run:
    """The run, locked until the transaction ends; raises Run.DoesNotExist."""
    return Run.objects.select_for_update(of=("self",)).select_related("plan", "incident").get(pk=run_id)


def subjects(run: Run) -> list[Ref]:
    """What events of a run are about."""
    return [Ref("run", str(run.pk), run.plan.name), incident_ref(run.incident), plan_ref(run.plan)]


def move(run: Run, state: RunState) -> None:
    """Change the run's state, if its machine allows it. The caller saves."""
    run.state = RUN.move(RunState(run.state), state)


def move_step(step: RunStep, state: StepState) -> None:
    """Change the step's state, if its machine allows it. The caller saves."""
    step.state = STEP.move(StepState(step.state), state)


def end_step(run: Run, step: RunStep, state: StepState, reason: Text, *, actor: Ref = SYSTEM) -> None:
    """A step came to an end, or to a question: save it and tell."""
    now = clock.now()
    move_step(step, state)
    step.reason, step.finished_at = reason.as_json(), now
    step.save()
    took = (now - step.started_at).total_seconds() if step.started_at else 0.0
    record(
        "plans.step_finished",
        actor=actor,
        subjects=subjects(run),
        params={
            "position": step.position + 1,
            "step": step.name,
            "result": Text(f"plans.step_{state.value}_state").as_json(),
            "state": state.value,
            "took_s": round(took, 1),
            "reason": reason.as_json(),
        },
    )


def conclude(run: Run, state: RunState, reason: Text, *, actor: Ref = SYSTEM) -> None:
    """The run came to an end, or to a question for a person: save it and tell."""
    now = clock.now()
    move(run, state)
    run.reason = reason.as_json()
    due.release(run, due_at=None)
    if state is not RunState.OUTCOME_UNKNOWN:
        run.finished_at = now
        _end_open_steps(run)
    run.save()
    told: dict[str, Any] = {"plan": run.plan.name, "reason": reason.as_json()}
    if state in (RunState.HELPED, RunState.DID_NOT_HELP):
        told |= {"before": run.kpi_before, "after": run.kpi_after}
    record(_EVENTS[state], actor=actor, subjects=subjects(run), params=told)
    wake.wake(wake.ENGINE, "runs")


def _end_open_steps(run: Run) -> None:
    steps = list(run.steps.all())
    for step, state in zip(steps, after_end([StepState(s.state) for s in steps]), strict=True):
        if state == step.state:
            continue
        if step.state == StepState.RUNNING:
            end_step(run, step, state, Text("plans.stopped"))
        else:
            move_step(step, state)
            step.save()
