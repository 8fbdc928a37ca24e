"""States of runs and steps."""

from __future__ import annotations

from enum import StrEnum

from hemostat.base.machine import Machine


class Verb(StrEnum):
    """What kind of measure a plan is."""

    RESTART = "restart"
    ISOLATE = "isolate"
    DOWNGRADE = "downgrade"
    ROLLBACK = "rollback"
    OTHER = "other"


class RunState(StrEnum):
    """What has become of a run."""

    RUNNING = "running"
    VERIFYING = "verifying"
    HELPED = "helped"
    DID_NOT_HELP = "did_not_help"
    FAILED = "failed"
    """a guard refused or a step failed; nothing after it was done"""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """a step may or may not have happened; a person decides what to do"""
    CANCELLED = "cancelled"


RUN = Machine(
    "run",
    RunState,
    {
        RunState.RUNNING: frozenset(
            {RunState.VERIFYING, RunState.FAILED, RunState.OUTCOME_UNKNOWN, RunState.CANCELLED}
        ),
        RunState.VERIFYING: frozenset({RunState.HELPED, RunState.DID_NOT_HELP, RunState.CANCELLED}),
        RunState.HELPED: frozenset(),
        RunState.DID_NOT_HELP: frozenset(),
        RunState.FAILED: frozenset(),
        RunState.OUTCOME_UNKNOWN: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
        RunState.CANCELLED: frozenset(),
    },
)
"""Out of an unknown outcome a person leads: it happened (go on), it did not (failed), or stop."""

OPEN_RUNS = frozenset({RunState.RUNNING, RunState.VERIFYING, RunState.OUTCOME_UNKNOWN})
"""States in which a run keeps others of its incident from starting."""


class StepState(StrEnum):
    """What has become of one step."""

    WAITING = "waiting"
    CHECKING = "checking"
    """its guards are being looked at; nothing was changed yet"""
    RUNNING = "running"
    """it may have changed something; written down before it is done"""
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """a guard did not hold"""
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    """the run ended before it"""


STEP = Machine(
    "step",
    StepState,
    {
        StepState.WAITING: frozenset({StepState.CHECKING, StepState.SKIPPED}),
        StepState.CHECKING: frozenset({StepState.RUNNING, StepState.REFUSED, StepState.SKIPPED}),
        StepState.RUNNING: frozenset({StepState.DONE, StepState.FAILED, StepState.UNKNOWN}),
        StepState.UNKNOWN: frozenset({StepState.DONE, StepState.FAILED}),
        StepState.DONE: frozenset(),
        StepState.FAILED: frozenset(),
        StepState.REFUSED: frozenset(),
        StepState.SKIPPED: frozenset(),
    },
)
