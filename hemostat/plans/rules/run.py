"""The step machine of a run: what comes next, given what is written down. Pure; the engine carries it out.

The rule that everything hangs on: a step is written down as running before it is done, so whoever finds one running
knows that it may or may not have happened. A repeatable step is then done again; any other is for a person to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hemostat.base.texts import Text
from hemostat.plans.rules.states import RunState, StepState


@dataclass(frozen=True)
class StepView:
    """What the machine needs to know of a step."""

    state: StepState
    repeatable: bool
    runner: str = ""
    """Label of the engines that can do it; "" for any."""


@dataclass(frozen=True)
class CheckGuards:
    """Look at the guards of the step at `position`; nothing is changed by it."""

    position: int


@dataclass(frozen=True)
class Execute:
    """Do the step at `position`; it is written down as running first."""

    position: int


@dataclass(frozen=True)
class HandOver:
    """Leave the run to an engine with `runner` as label."""

    runner: str


@dataclass(frozen=True)
class AskPerson:
    """The step at `position` may or may not have happened, and doing it twice could do harm."""

    position: int
    reason: Text


@dataclass(frozen=True)
class StartVerifying:
    """All steps are done; from now on the KPI decides."""


@dataclass(frozen=True)
class Look:
    """Judge the KPI."""


@dataclass(frozen=True)
class Nothing:
    """The run is over, or waits for a person."""


Move = CheckGuards | Execute | HandOver | AskPerson | StartVerifying | Look | Nothing


def next_move(state: RunState, steps: Sequence[StepView], *, runner: str) -> Move:
    """What an engine with the label `runner` does next with a run that nobody else is working on."""
    if state is RunState.VERIFYING:
        return Look()
    if state is not RunState.RUNNING:
        return Nothing()
    for position, step in enumerate(steps):
        if step.state is StepState.DONE:
            continue
        if step.state is StepState.RUNNING and not step.repeatable:
            return AskPerson(position, Text("plans.engine_died_in_step"))
        if step.runner not in ("", runner):
            return HandOver(step.runner)
        if step.state in (StepState.WAITING, StepState.CHECKING):
            return CheckGuards(position)
        if step.state is StepState.RUNNING:
            return Execute(position)
        raise ValueError(f"a running run has a step that is {step.state}")
    return StartVerifying()


class Did(Enum):
    """What an executor can say of a step."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """it answered that it failed, or was never begun"""
    AMBIGUOUS = "ambiguous"
    """it was begun and there is no answer: it may have happened"""


@dataclass(frozen=True)
class StepResult:
    """What came of doing a step, with the reason."""

    did: Did
    reason: Text


def after_step(result: StepResult, *, repeatable: bool) -> tuple[StepState, RunState]:
    """State of the step and of the run after it.

    An ambiguous answer is a plain failure where the step can be repeated without harm, else for a person to decide.
    """
    if result.did is Did.SUCCEEDED:
        return StepState.DONE, RunState.RUNNING
    if result.did is Did.AMBIGUOUS and not repeatable:
        return StepState.UNKNOWN, RunState.OUTCOME_UNKNOWN
    return StepState.FAILED, RunState.FAILED


def after_end(steps: Sequence[StepState]) -> list[StepState]:
    """States of the steps when the run ends before all are done.

    Those not begun are skipped; one that was going on, because the run was stopped, may have happened.
    """
    ended = {
        StepState.WAITING: StepState.SKIPPED,
        StepState.CHECKING: StepState.SKIPPED,
        StepState.RUNNING: StepState.UNKNOWN,
    }
    return [ended.get(state, state) for state in steps]
