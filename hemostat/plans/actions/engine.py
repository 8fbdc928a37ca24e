"""What the engine writes while a run goes on. Each function is one transaction and needs the run's lease.

A worker whose lease was lost, because it was too slow or the run was stopped, gets `LeaseLostError` and changes
nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from hemostat.base import clock, due, wake
from hemostat.base.texts import Text
from hemostat.plans import queries
from hemostat.plans.actions import progress
from hemostat.plans.models import Run, RunStep
from hemostat.plans.rules import plan as rules
from hemostat.plans.rules import run as machine
from hemostat.plans.rules import snapshot
from hemostat.plans.rules.states import RunState, StepState
from hemostat.plans.rules.verification import Outcome, judge, look_again_after

RUNNER_WAIT = timedelta(seconds=60)
"""How long a run waits for an engine with its label."""


def decide(claimed: Run, *, runner: str) -> machine.Move:
    """Take the next move of a run and write it down; returns what is left for the engine to do outside, if anything.

    Returned are `CheckGuards` and `Execute`, with the lease kept; after any other move the lease has been given back.
    """
    with transaction.atomic():
        run = due.hold(claimed)
        stamped = snapshot.read(run.snapshot)
        rows = list(run.steps.all())
        move = machine.next_move(RunState(run.state), _views(rows, stamped), runner=runner)
        match move:
            case machine.CheckGuards(position):
                _begin_checking(rows[position])
            case machine.Execute():
                pass
            case machine.HandOver(label):
                _give_back(run, clock.now(), runner=label)
            case machine.AskPerson(position, reason):
                _ask(run, rows[position], reason)
            case machine.StartVerifying():
                run.steps_done_at = clock.now()
                progress.move(run, RunState.VERIFYING)
                _give_back(run, clock.now() + look_again_after(stamped.verification))
            case machine.Look():
                _look(run, stamped)
            case machine.Nothing():
                due.release(run, due_at=None)
                run.save()
        return move


def _views(rows: list[RunStep], stamped: snapshot.Snapshot) -> list[machine.StepView]:
    return [
        machine.StepView(StepState(row.state), step.repeatable, rules.runner_of(step))
        for row, step in zip(rows, stamped.steps, strict=True)
    ]


def _give_back(run: Run, due_at: datetime, *, runner: str = "") -> None:
    run.runner = runner
    due.release(run, due_at=due_at)
    run.save()
    wake.wake(wake.ENGINE, "runs")


def _begin_checking(step: RunStep) -> None:
    if step.state == StepState.WAITING:
        progress.move_step(step, StepState.CHECKING)
    step.started_at = clock.now()
    step.save()


def _ask(run: Run, step: RunStep, reason: Text) -> None:
    progress.end_step(run, step, StepState.UNKNOWN, reason)
    progress.conclude(
        run,
        RunState.OUTCOME_UNKNOWN,
        Text("plans.step_unknown", {"step": step.name, "reason": reason.as_json()}),
    )


def _look(run: Run, stamped: snapshot.Snapshot) -> None:
    now = clock.now()
    assert run.steps_done_at is not None, "a run is verified after its steps"
    seen = queries.evidence(run, stamped, now)
    judged = judge(
        stamped.verification,
        baseline=stamped.kpi.baseline if stamped.kpi else None,
        before=run.kpi_before,
        steps_done_at=run.steps_done_at,
        now=now,
        evidence=seen,
    )
    run.kpi_after = seen.share
    if judged.outcome is Outcome.NOT_YET:
        run.reason = judged.reason.as_json()
        _give_back(run, now + look_again_after(stamped.verification))
    elif judged.outcome is Outcome.HELPED:
        progress.conclude(run, RunState.HELPED, judged.reason)
    else:
        progress.conclude(run, RunState.DID_NOT_HELP, judged.reason)


def begin_step(claimed: Run, position: int) -> None:
    """The guards hold: from here on the step may have happened. Committed before it is done."""
    with transaction.atomic():
        run = due.hold(claimed)
        step = run.steps.get(position=position)
        progress.move_step(step, StepState.RUNNING)
        step.save()


def refuse_step(claimed: Run, position: int, reason: Text) -> None:
    """A guard did not hold: nothing was changed by this step, and nothing after it is done."""
    with transaction.atomic():
        run = due.hold(claimed)
        step = run.steps.get(position=position)
        progress.end_step(run, step, StepState.REFUSED, reason)
        progress.conclude(
            run, RunState.FAILED, Text("plans.step_refused", {"step": step.name, "reason": reason.as_json()})
        )


def finish_step(claimed: Run, position: int, result: machine.StepResult) -> bool:
    """A step was done, failed, or may have happened; returns whether the run goes on, its lease kept."""
    with transaction.atomic():
        run = due.hold(claimed)
        step = run.steps.get(position=position)
        repeatable = snapshot.read(run.snapshot).steps[position].repeatable
        step_state, run_state = machine.after_step(result, repeatable=repeatable)
        if step_state is StepState.UNKNOWN:
            _ask(run, step, result.reason)
            return False
        progress.end_step(run, step, step_state, result.reason)
        if run_state is RunState.FAILED:
            progress.conclude(
                run, RunState.FAILED, Text("plans.step_failed", {"step": step.name, "reason": result.reason.as_json()})
            )
        return run_state is RunState.RUNNING


def renew(claimed: Run) -> bool:
    """Hold the lease for another while; False when it was lost."""
    until = clock.now() + due.LEASE
    return bool(Run.objects.filter(pk=claimed.pk, lease=claimed.lease).update(lease_until=until))


def record_output(claimed: Run, position: int, text: str) -> bool:
    """Append what a step printed (secrets taken out by the caller); False when the lease was lost."""
    steps = RunStep.objects.filter(run_id=claimed.pk, run__lease=claimed.lease, position=position)
    return bool(steps.update(output=Concat(F("output"), Value(text))))


def count_failed_try(claimed: Run, error: str) -> None:
    """The engine itself failed on a run: it is tried again later; at last the run has failed, and says so."""
    with transaction.atomic():
        run = due.hold(claimed)
        if due.fail(run, now=clock.now(), error=error):
            progress.conclude(
                progress.locked(run.pk), RunState.FAILED, Text("plans.engine_error", {"error": error[:200]})
            )


def give_up_waiting(now: datetime) -> int:
    """End the runs that no engine with their label has taken; returns how many."""
    with transaction.atomic():
        waiting = Run.objects.select_for_update(skip_locked=True, of=("self",)).select_related("plan", "incident")
        rows = list(
            waiting.filter(state=RunState.RUNNING, due_at__lt=now - RUNNER_WAIT, parked_at__isnull=True)
            .exclude(runner="")
            .exclude(lease_until__gt=now - RUNNER_WAIT)
        )
        for run in rows:
            step = run.steps.filter(state=StepState.RUNNING).first()
            if step is not None:
                _ask(run, step, Text("plans.engine_died_in_step"))
            else:
                progress.conclude(run, RunState.FAILED, Text("plans.no_runner", {"label": run.runner}))
    return len(rows)
