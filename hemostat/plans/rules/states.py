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
        RunState.OUTCOME_UNKNOWN: frozenset({RunState.VERIFYING, RunState.FAILED}),
        RunState.CANCELLED: frozenset(),
    },
)


class StepState(StrEnum):
    """What has become of one step."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """its guard did not hold"""
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
