"""States, stages and roles of an incident, and the moves between them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from hemostat.base.machine import Machine


class State(StrEnum):
    """What is being done about it."""

    OPEN = "open"
    """nobody has answered yet"""
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    """the KPI is back; not yet quiet long enough to be closed"""
    RESOLVED = "resolved"


MACHINE = Machine(
    "incident",
    State,
    {
        State.OPEN: frozenset({State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED}),
        State.ACKNOWLEDGED: frozenset({State.MITIGATED, State.RESOLVED}),
        State.MITIGATED: frozenset({State.ACKNOWLEDGED, State.OPEN, State.RESOLVED}),
        State.RESOLVED: frozenset(),
    },
)


class Stage(StrEnum):
    """Where on the clock it is; each stage has a time by which it should be over."""

    DETECT = "detect"
    TRIAGE = "triage"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    POSTMORTEM = "postmortem"


STAGE_ENDS = {
    Stage.DETECT: timedelta(0),
    Stage.TRIAGE: timedelta(minutes=5),
    Stage.MITIGATE: timedelta(minutes=15),
    Stage.RESOLVE: timedelta(hours=1),
    Stage.POSTMORTEM: timedelta(hours=48),
}
"""How long after the opening each stage should be over; a P0's postmortem within 24 h."""


def stage_due(opened_at: datetime, stage: Stage, severity: int) -> datetime:
    """By when `stage` should be over."""
    if stage is Stage.POSTMORTEM and severity == 0:
        return opened_at + timedelta(hours=24)
    return opened_at + STAGE_ENDS[stage]


class Role(StrEnum):
    """Who does what."""

    COMMANDER = "commander"
    COMMUNICATOR = "communicator"
    RECOVERY = "recovery"
    DIAGNOSIS = "diagnosis"
