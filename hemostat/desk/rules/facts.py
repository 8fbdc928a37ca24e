"""What the incident page is made from: facts of several rooms, in one shape, without the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hemostat.base.svg import Point
from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import Answer
from hemostat.events.rules import EventRecord
from hemostat.incidents.rules.clocks import StageClock
from hemostat.incidents.rules.states import Role, State
from hemostat.plans.rules.states import RunState, StepState


@dataclass(frozen=True)
class ReaderFact:
    """Who looks at the page and what they may do."""

    id: int
    name: str
    may_respond: bool = True
    may_run: bool = True


@dataclass(frozen=True)
class RoleFact:
    """Who holds a role, since when."""

    role: Role
    user_id: int
    name: str
    since: datetime


@dataclass(frozen=True)
class OptionFact:
    """A plan that fits, as good as it ranks."""

    plan_id: int
    slug: str
    name: str
    steps: int
    about_s: int
    touches: str
    undo: str
    ran: int
    """how often its runs ended in helped or did not help"""
    helped: int
    why: Text | None = None
    """what speaks for it most"""
    tried: RunState | None = None
    """what became of it in this incident"""
    cannot: Text | None = None
    """why it cannot start; None: it can"""


@dataclass(frozen=True)
class StepFact:
    """A step of a run."""

    position: int
    name: str
    state: StepState
    output: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: Text | None = None


@dataclass(frozen=True)
class RunFact:
    """A run of a plan for the incident."""

    id: int
    plan_id: int
    name: str
    state: RunState
    started_at: datetime
    started_by: str
    steps: tuple[StepFact, ...]
    steps_done_at: datetime | None = None
    finished_at: datetime | None = None
    kpi_before: float | None = None
    kpi_after: float | None = None
    goal: float | None = None
    """share of good requests that the verification waits for; None where alerts decide"""
    window: timedelta = timedelta(0)
    """how long the verification watches"""
    undo: str = ""
    reason: Text | None = None
    waits_for: str = ""
    """label of the engines it waits for; "" for none"""


@dataclass(frozen=True)
class PagingFact:
    """How far the page of the incident is."""

    state: str
    """ringing, acknowledged, stopped or exhausted; "" when no page was ever started"""
    rung: tuple[str, ...] = ()
    """names of those who were reached for in the newest step"""
    next_at: datetime | None = None
    """when the next people are paged unless somebody answers"""


@dataclass(frozen=True)
class Facts:
    """Everything that the page of one incident is made from."""

    now: datetime
    id: int
    code: str
    environment: str
    state: State
    severity: int
    severity_reason: Text
    headline: Text
    service: str
    """what people call the service whose KPI fell; "" for an incident of alerts"""
    purpose: str
    """what users cannot do when it fails, e.g. “pay”; may be empty"""
    onset_at: datetime
    opened_at: datetime
    kpi_baseline: float | None
    kpi_current: float | None
    users: int | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    acknowledged_by_id: int | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    quiet: timedelta
    """how long a mitigated incident is watched before it closes by itself"""
    clocks: Sequence[StageClock]
    roles: Sequence[RoleFact]
    answer: Answer | None
    series: Sequence[Point]
    """the KPI in steps of ten seconds, oldest first; buckets without requests left out"""
    options: Sequence[OptionFact]
    """plans that fit, best first"""
    runs: Sequence[RunFact]
    """newest first"""
    paging: PagingFact
    events: Sequence[EventRecord]
    """newest first"""
    reader: ReaderFact = field(default_factory=lambda: ReaderFact(0, ""))
