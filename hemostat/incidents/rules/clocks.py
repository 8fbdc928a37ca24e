"""The clock of each stage: how long it took, how long is left, or how late it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hemostat.incidents.rules.states import Stage, stage_due


class ClockState(StrEnum):
    """Where a stage is."""

    DONE = "done"
    NOW = "now"
    LATE = "late"
    AHEAD = "ahead"


@dataclass(frozen=True)
class StageClock:
    """One stage on the clock; seconds."""

    stage: Stage
    state: ClockState
    took_s: float | None
    """how long after the onset (detect) or the opening (others) it was over, when it is"""
    left_s: float | None
    """until it should be over; negative when late; None when done or ahead"""
    filled: float
    """share of its time that has passed, 0 to 1"""


@dataclass(frozen=True)
class Milestones:
    """When the stages of an incident were over; None while they are not."""

    onset_at: datetime
    opened_at: datetime
    triaged_at: datetime | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    postmortem_at: datetime | None = None


def clocks(times: Milestones, severity: int, now: datetime) -> tuple[StageClock, ...]:
    """The five stages in order. Triage ends with the first answer of a person, or with mitigation."""
    over = {
        Stage.DETECT: times.opened_at,
        Stage.TRIAGE: times.triaged_at or times.mitigated_at or times.resolved_at,
        Stage.MITIGATE: times.mitigated_at or times.resolved_at,
        Stage.RESOLVE: times.resolved_at,
        Stage.POSTMORTEM: times.postmortem_at,
    }
    result: list[StageClock] = []
    running = False
    previous_due = times.opened_at
    for stage, over_at in over.items():
        due = stage_due(times.opened_at, stage, severity)
        if over_at is not None:
            since = times.onset_at if stage is Stage.DETECT else times.opened_at
            result.append(StageClock(stage, ClockState.DONE, max(0.0, (over_at - since).total_seconds()), None, 1.0))
        elif not running:
            running = True
            left = (due - now).total_seconds()
            whole = max(1.0, (due - previous_due).total_seconds())
            state = ClockState.NOW if left >= 0 else ClockState.LATE
            result.append(StageClock(stage, state, None, left, min(1.0, max(0.0, 1 - left / whole))))
        else:
            result.append(StageClock(stage, ClockState.AHEAD, None, None, 0.0))
        previous_due = due
    return tuple(result)
