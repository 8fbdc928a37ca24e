"""The incident page as data: which phase it is in, what its header says, what can be pressed next.

Sentences stand in the templates; here is decided which of them is told, and with which figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hemostat.base import svg, texts
from hemostat.base.ids import short_code
from hemostat.base.svg import Curve, Mark
from hemostat.base.texts import Text
from hemostat.desk.rules.facts import Facts, OptionFact, PagingFact, RunFact
from hemostat.desk.rules.timeline import Line, lines
from hemostat.diagnosis.rules.answer import Answer, Cause, Verdict
from hemostat.incidents.rules.clocks import ClockState, StageClock
from hemostat.incidents.rules.states import Role, Stage, State
from hemostat.plans.rules.states import RunState

CURVE_BEFORE = timedelta(minutes=5)
"""How much of the time before the onset the curve shows."""
POLL_S = 2
POLL_RUNNING_S = 1

STAGE_NAMES = {
    Stage.DETECT: gettext_lazy("Detect"),
    Stage.TRIAGE: gettext_lazy("Triage"),
    Stage.MITIGATE: gettext_lazy("Mitigate"),
    Stage.RESOLVE: gettext_lazy("Resolve"),
    Stage.POSTMORTEM: gettext_lazy("Postmortem"),
}
ROLE_NAMES = {
    Role.COMMANDER: gettext_lazy("Commander"),
    Role.COMMUNICATOR: gettext_lazy("Communicator"),
    Role.RECOVERY: gettext_lazy("Fast recovery"),
    Role.DIAGNOSIS: gettext_lazy("Diagnosis"),
}


class Phase(StrEnum):
    """What the page is for right now."""

    CHOOSE = "choose"
    """no plan was run yet"""
    RUNNING = "running"
    DECIDE = "decide"
    """a step may or may not have happened: a person says which"""
    NEXT = "next"
    """the last run did not help, failed or was stopped"""
    RECOVERED = "recovered"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Chip:
    """The state in two words, with a shape."""

    tone: str
    icon: str
    text: str
    moving: bool = False


@dataclass(frozen=True)
class Figure:
    """The KPI of the headline: from where to where."""

    what: str
    before: float
    after: float
    direction: str
    """down, up or back"""


@dataclass(frozen=True)
class StageView:
    """One stage of the clock."""

    name: str
    state: str
    took_s: float | None
    due_at: datetime | None
    filled: int
    """percent"""


@dataclass(frozen=True)
class RoleView:
    """A role, and who holds it."""

    role: str
    name: str
    holder: str
    you: bool
    since: datetime | None


@dataclass(frozen=True)
class Why:
    """The probable cause as the page tells it."""

    cause: Cause
    first: bool
    deepest: bool
    partly: bool
    others: tuple[Cause, ...]


@dataclass(frozen=True)
class RunView:
    """A run with what the page needs beside the fact."""

    fact: RunFact
    step: int
    """number of the step at work, counted from one; the verification is the last"""
    steps: int
    verifying: bool
    gives_up_at: datetime | None
    readings: tuple[svg.Point, ...]
    """the last KPI values since the steps were done, oldest first"""
    lasted_s: float

    @property
    def cancellable(self) -> bool:
        """Whether stopping it means anything."""
        return self.fact.state in {RunState.RUNNING, RunState.VERIFYING}


@dataclass(frozen=True)
class IncidentPage:
    """Everything the template shows."""

    id: int
    code: str
    environment: str
    severity: int
    severity_reason: Text
    state: State
    phase: Phase
    title: str
    headline: Text
    chip: Chip
    figure: Figure | None
    curve: SafeString
    calm: bool
    """whether the header is green: the bleeding has stopped"""
    onset_at: datetime
    failing_s: float
    back_since: datetime | None
    users: int | None
    purpose: str
    stages: tuple[StageView, ...]
    acknowledged_at: datetime | None
    acknowledged_by: str
    acknowledged_by_you: bool
    why: Why | None
    answer: Answer | None
    best: OptionFact | None
    others: tuple[OptionFact, ...]
    run: RunView | None
    """the run at work, or the last one"""
    tried: tuple[RunView, ...]
    """runs that are over, newest first"""
    roles: tuple[RoleView, ...]
    paging: PagingFact
    closes_at: datetime | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    timeline: tuple[Line, ...]
    may_respond: bool
    may_run: bool
    poll_s: int
    """seconds between refreshes; 0: the page is at rest"""

    @property
    def can_acknowledge(self) -> bool:
        """Whether the reader may answer, and nobody has."""
        return self.state is State.OPEN and self.may_respond

    @property
    def over(self) -> bool:
        """Whether nothing is left to press."""
        return self.phase is Phase.RESOLVED


def phase(facts: Facts) -> Phase:
    """What the page is for: an open run comes before everything, a closed incident after everything."""
    if facts.state is State.RESOLVED:
        return Phase.RESOLVED
    run = facts.runs[0] if facts.runs else None
    if run and run.state in {RunState.RUNNING, RunState.VERIFYING}:
        return Phase.RUNNING
    if run and run.state is RunState.OUTCOME_UNKNOWN:
        return Phase.DECIDE
    if facts.state is State.MITIGATED:
        return Phase.RECOVERED
    return Phase.NEXT if run else Phase.CHOOSE


def _chip(facts: Facts, at: Phase) -> Chip:
    match at:
        case Phase.RUNNING:
            return Chip("acc", "spin", _("Plan running"), moving=True)
        case Phase.DECIDE:
            return Chip("warn", "help", _("A person decides"))
        case Phase.RECOVERED:
            return Chip("ok", "check", _("Mitigated"))
        case Phase.RESOLVED:
            return Chip("ok", "check", _("Resolved"))
        case _ if facts.state is State.OPEN:
            return Chip("bad", "bell", _("Not acknowledged"))
        case Phase.NEXT:
            helped_not = facts.runs[0].state is RunState.DID_NOT_HELP
            return Chip("bad", "x", _("Plan did not help") if helped_not else _("Plan did not finish"))
        case _:
            return Chip("", "check", _("Acknowledged"))


def _current(facts: Facts) -> float | None:
    return facts.series[-1].share if facts.series else facts.kpi_current


def _worst(facts: Facts) -> float | None:
    since = [p.share for p in facts.series if p.at >= facts.onset_at]
    known = [v for v in (*since, *(r.kpi_before for r in facts.runs)) if v is not None]
    return min(known, default=facts.kpi_current)


def figure(facts: Facts, at: Phase) -> Figure | None:
    """The two figures of the headline; None for an incident that no KPI shows."""
    now = _current(facts)
    if facts.kpi_baseline is None or now is None or not facts.service:
        return None
    if at in {Phase.RECOVERED, Phase.RESOLVED}:
        worst = _worst(facts)
        return Figure(facts.service, facts.kpi_baseline if worst is None else worst, now, "back")
    run = facts.runs[0] if facts.runs else None
    if at in {Phase.RUNNING, Phase.DECIDE, Phase.NEXT} and run and run.kpi_before is not None:
        goal = run.goal if run.goal is not None else facts.kpi_baseline
        rising = now - run.kpi_before >= (goal - run.kpi_before) / 2
        return Figure(facts.service, run.kpi_before, now, "up" if rising else "down")
    return Figure(facts.service, facts.kpi_baseline, now, "down")


def _time(at: datetime) -> str:
    return timezone.localtime(at).strftime("%H:%M")


def _curve(facts: Facts, at: Phase, shown: Figure | None) -> SafeString:
    begin = facts.onset_at - CURVE_BEFORE
    points = [p for p in facts.series if p.at >= begin]
    if shown is None or len(points) < 2:
        return SafeString("")
    marks = [Mark(facts.onset_at, "onset")]
    run = facts.runs[0] if facts.runs else None
    if run:
        marks.append(Mark(run.started_at, "run", _("plan")))
    labels = [(points[0].at, _time(points[0].at)), (facts.onset_at, _time(facts.onset_at))]
    if run:
        labels.append((run.started_at, _time(run.started_at)))
    labels.append((points[-1].at, _time(points[-1].at)))
    goal = run.goal if run else None
    twin = _("%(what)s success from %(begin)s to %(end)s: %(before)s until %(onset)s, now %(now)s") % {
        "what": shown.what,
        "begin": _time(points[0].at),
        "end": _time(points[-1].at),
        "before": texts.percent(facts.kpi_baseline or 0),
        "onset": _time(facts.onset_at),
        "now": texts.figure(shown.after),
    }
    drawing = Curve(
        points=points,
        twin=twin,
        marks=[m for m in marks if m.at >= points[0].at],
        goal=goal,
        good=shown.direction != "down",
        last_label=texts.figure(shown.after),
        time_labels=[(t, s) for t, s in labels if t >= points[0].at],
        height=80 if at in {Phase.CHOOSE, Phase.NEXT} else 92,
    )
    return svg.curve(drawing)


def _stage(clock: StageClock, now: datetime) -> StageView:
    return StageView(
        name=str(STAGE_NAMES[clock.stage]),
        state=clock.state.value,
        took_s=clock.took_s,
        due_at=now + timedelta(seconds=clock.left_s) if clock.left_s is not None else None,
        filled=100 if clock.state is ClockState.LATE else round(clock.filled * 100),
    )


def why(answer: Answer | None) -> Why | None:
    """The cause to tell: the first-ranked one, where the diagnosis names any."""
    if answer is None or not answer.causes or answer.verdict is Verdict.UNKNOWN:
        return None
    cause = answer.causes[0]
    said = {c.reason.code for c in cause.contributions}
    return Why(
        cause=cause,
        first="diagnosis.time.first" in said,
        deepest="diagnosis.depth.deepest" in said,
        partly=answer.verdict is Verdict.PARTLY,
        others=tuple(c for c in answer.causes[1:] if c.in_cause_set),
    )


def _run(fact: RunFact, facts: Facts) -> RunView:
    begun = [s for s in fact.steps if s.started_at is not None]
    verifying = fact.state is RunState.VERIFYING
    end = fact.finished_at or facts.now
    return RunView(
        fact=fact,
        step=len(fact.steps) + 1 if verifying else max(1, len(begun)),
        steps=len(fact.steps) + 1,
        verifying=verifying,
        gives_up_at=fact.steps_done_at + fact.window if verifying and fact.steps_done_at else None,
        readings=tuple(p for p in facts.series if fact.steps_done_at and p.at >= fact.steps_done_at)[-3:],
        lasted_s=max(0.0, (end - fact.started_at).total_seconds()),
    )


def _roles(facts: Facts) -> tuple[RoleView, ...]:
    held = {r.role: r for r in facts.roles}
    views = []
    for role, name in ROLE_NAMES.items():
        holder = held.get(role)
        you = holder is not None and holder.user_id == facts.reader.id
        views.append(
            RoleView(role.value, str(name), holder.name if holder else "", you, holder.since if holder else None)
        )
    return tuple(views)


def title(facts: Facts, shown: Figure | None) -> str:
    """What the browser's tab says: severity and figure first."""
    what = f"{shown.what} {texts.figure(shown.after)}" if shown else texts.render(facts.headline)
    return f"P{facts.severity} {what} · {facts.code}"


def incident_page(facts: Facts) -> IncidentPage:
    """Decide what the page of an incident says."""
    at = phase(facts)
    shown = figure(facts, at)
    calm = at in {Phase.RECOVERED, Phase.RESOLVED}
    back_since = facts.mitigated_at or facts.resolved_at if calm else None
    fresh = [o for o in facts.options if o.tried is None and o.cannot is None]
    best = fresh[0] if fresh else None
    runs = [_run(r, facts) for r in facts.runs]
    over = [r for r in runs if r.fact.finished_at is not None]
    resting = facts.state is State.RESOLVED
    fields: dict[str, Any] = {
        "best": best,
        "others": tuple(o for o in facts.options if o is not best),
        "run": runs[0] if runs else None,
        "tried": tuple(over),
        "closes_at": facts.mitigated_at + facts.quiet if at is Phase.RECOVERED and facts.mitigated_at else None,
    }
    return IncidentPage(
        id=facts.id,
        code=facts.code,
        environment=facts.environment,
        severity=facts.severity,
        severity_reason=facts.severity_reason,
        state=facts.state,
        phase=at,
        title=title(facts, shown),
        headline=facts.headline,
        chip=_chip(facts, at),
        figure=shown,
        curve=_curve(facts, at, shown),
        calm=calm,
        onset_at=facts.onset_at,
        failing_s=max(0.0, ((back_since or facts.now) - facts.onset_at).total_seconds()),
        back_since=back_since,
        users=facts.users,
        purpose=facts.purpose,
        stages=tuple(_stage(c, facts.now) for c in facts.clocks),
        acknowledged_at=facts.acknowledged_at,
        acknowledged_by=facts.acknowledged_by,
        acknowledged_by_you=facts.acknowledged_by_id == facts.reader.id and facts.reader.id != 0,
        why=why(facts.answer),
        answer=facts.answer,
        roles=_roles(facts),
        paging=facts.paging,
        mitigated_at=facts.mitigated_at,
        resolved_at=facts.resolved_at,
        timeline=lines(facts.events, facts.reader.id),
        may_respond=facts.reader.may_respond,
        may_run=facts.reader.may_run,
        poll_s=0 if resting else POLL_RUNNING_S if at is Phase.RUNNING else POLL_S,
        **fields,
    )


def etag(*, newest_event: str, severity: int, users: int | None, run: RunFact | None, over: bool, now: datetime) -> str:
    """Changes when the page would: with each event, each move of a run, and each ten seconds of figures while open.

    Weak, because the bytes differ by their clocks and CSRF token while what is told is the same.
    """
    parts = [newest_event, str(severity), str(users)]
    if run:
        parts += [str(run.id), run.state.value, *(f"{s.state.value}{len(s.output)}" for s in run.steps)]
    if not over:
        parts.append(str(int(now.timestamp()) // 10))
    return f'W/"{short_code(":".join(parts))}"'
