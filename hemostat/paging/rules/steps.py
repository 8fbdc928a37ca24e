"""What happens next to a page, and why: one pure function over what is known at this moment.

`next_step` is asked whenever a page is due: at its start, when a tier's time is over, when somebody answered or asked
for help, when a provider accepted or refused. It looks at everything afresh, so that being asked once too often never
does harm. Whom a tier pages is resolved now, not when the page began.

The clock of a step starts when its first message was accepted, at the latest `ACCEPT_CAP` after the step began: an
outage of the providers neither burns through the tiers nor stops them. Nobody is escalated over before they had
`LEAST_TIME` after that acceptance, or after a backlog of our own was noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hemostat.paging.rules.deliveries import DeliveryFacts
from hemostat.paging.rules.policy import URGENCY, PolicyStamp, TargetKind, TargetStamp, Urgency
from hemostat.paging.rules.states import DeliveryState, PageState

ACCEPT_CAP = timedelta(seconds=120)
LEAST_TIME = timedelta(seconds=60)
LATE = timedelta(seconds=30)
"""A page looked at this much after its time tells of a backlog of our own."""
MITIGATED_LOOK = timedelta(seconds=60)
NOBODY_LOOK = timedelta(seconds=60)
FALLBACK_TIMEOUT_S = 300


class Do(StrEnum):
    """What is done to a page."""

    PAGE = "page"
    WAIT = "wait"
    REST = "rest"
    """nothing more falls due by itself, and the reason says why that is right"""
    ANSWERED = "answered"
    STOP = "stop"
    EXHAUSTED = "exhausted"


class Reason(StrEnum):
    """Why."""

    STARTED = "started"
    TIMED_OUT = "timed_out"
    UNREACHED = "unreached"
    """every message of the step failed"""
    ASKED = "asked"
    RAISED = "raised"
    """the severity now calls for every tier"""
    WAITING = "waiting"
    BACKLOG = "backlog"
    MITIGATED = "mitigated"
    LOW_URGENCY = "low_urgency"
    ANSWERED = "answered"
    OVER = "over"
    ALL_TRIED = "all_tried"
    NOBODY = "nobody"
    """not one person could be reached at all"""


class SkipReason(StrEnum):
    """Why somebody named by a tier is not paged."""

    EMPTY_TIER = "empty_tier"
    NO_SCHEDULE = "no_schedule"
    NOBODY_ON_CALL = "nobody_on_call"
    UNKNOWN_PERSON = "unknown_person"
    INACTIVE = "inactive"
    NO_WAY = "no_way"
    """no contact method that is proven to work"""
    ON_IT = "on_it"
    """they asked for the help themselves"""


@dataclass(frozen=True)
class Way:
    """A verified contact method."""

    id: int
    kind: str
    label: str
    destination: str
    wakes: bool


@dataclass(frozen=True)
class Person:
    """Somebody who can be named by a policy; `ways` in the order they want."""

    id: int
    name: str
    active: bool
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Directory:
    """Who is who and who is on call, at the moment of deciding."""

    people: Mapping[int, Person]
    on_call: Mapping[int, int | None]
    """By schedule; a schedule that no longer exists is missing."""


@dataclass(frozen=True)
class PageFacts:
    """A page and its incident as the rules see them."""

    policy: PolicyStamp
    state: PageState
    severity: int
    step: int
    pass_no: int
    tier: int
    at_fallback: bool
    step_started_at: datetime | None
    escalate_step: int | None
    grace_step: int
    answered: bool
    over: bool
    mitigated: bool
    on_it: int | None
    """Who has it already, when the page rings for help."""
    deliveries: tuple[DeliveryFacts, ...]
    """The pages of the present step."""


@dataclass(frozen=True)
class Recipient:
    """Somebody to page; `tier` is -1 for the fallback, `via` the schedule that named them ("" : named directly)."""

    person: Person
    tier: int
    via: str


@dataclass(frozen=True)
class Skip:
    """Somebody, or a whole tier, that could not be paged."""

    tier: int
    label: str
    reason: SkipReason


@dataclass(frozen=True)
class Decision:
    """What is done, why, and when to look again (None: not by itself)."""

    do: Do
    reason: Reason
    due_at: datetime | None
    pass_no: int
    tier: int
    at_fallback: bool
    recipients: tuple[Recipient, ...] = ()
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True)
class Planned:
    """A delivery to be made; `due_at` None: a reserve for when a way before it fails."""

    recipient: Recipient
    way: Way
    position: int
    due_at: datetime | None


def next_step(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """What is done about `page` now."""
    urgency = URGENCY[page.severity]
    if page.over:
        return _stay(page, Do.STOP, Reason.OVER)
    if page.answered:
        return _stay(page, Do.ANSWERED, Reason.ANSWERED)
    if page.step == 0:
        return _advance(page, directory, now, Reason.STARTED)
    if page.escalate_step == page.step:
        return _advance(page, directory, now, Reason.ASKED)
    if page.mitigated:
        return _stay(page, Do.WAIT, Reason.MITIGATED, now + MITIGATED_LOOK)
    if page.state is PageState.EXHAUSTED:
        return _stay(page, Do.REST, Reason.ALL_TRIED)
    if urgency.whole_chain and not page.at_fallback and page.tier < len(page.policy.tiers) - 1:
        return _advance(page, directory, now, Reason.RAISED)
    if all(d.state is DeliveryState.FAILED for d in page.deliveries):
        return _advance(page, directory, now, Reason.UNREACHED)
    if not urgency.escalates:
        return _stay(page, Do.REST, Reason.LOW_URGENCY)
    over_at = step_over_at(page)
    if now < over_at:
        return _stay(page, Do.WAIT, Reason.WAITING, over_at)
    if first_accepted_at(page) is None and now - over_at > LATE and page.grace_step != page.step:
        return _stay(page, Do.WAIT, Reason.BACKLOG, now + LEAST_TIME)
    return _advance(page, directory, now, Reason.TIMED_OUT)


def first_accepted_at(page: PageFacts) -> datetime | None:
    """When a message of the present step was first accepted; by a channel that can wake, where it has one."""
    waking = [d for d in page.deliveries if d.wakes] or page.deliveries
    return min((d.accepted_at for d in waking if d.accepted_at is not None), default=None)


def step_over_at(page: PageFacts) -> datetime:
    """When the present step has had its time."""
    assert page.step_started_at is not None
    accepted = first_accepted_at(page)
    latest = page.step_started_at + ACCEPT_CAP
    clock = latest if accepted is None else min(accepted, latest)
    over_at = clock + timedelta(seconds=_timeout_s(page))
    return over_at if accepted is None else max(over_at, accepted + LEAST_TIME)


def _timeout_s(page: PageFacts) -> int:
    urgency = URGENCY[page.severity]
    if page.at_fallback or not page.policy.tiers:
        return urgency.timeout_s(FALLBACK_TIMEOUT_S)
    tier = 0 if urgency.whole_chain else max(0, page.tier)
    return urgency.timeout_s(page.policy.tiers[tier].timeout_s)


def _stay(page: PageFacts, do: Do, reason: Reason, due_at: datetime | None = None) -> Decision:
    return Decision(do, reason, due_at, page.pass_no, page.tier, page.at_fallback)


def _advance(page: PageFacts, directory: Directory, now: datetime, reason: Reason) -> Decision:
    """Page the next tier that has anybody; then the fallback; then nobody is left."""
    asked = reason is Reason.ASKED
    if page.at_fallback and not asked:
        return _end(page, (), now)
    urgency = URGENCY[page.severity]
    passes = page.policy.repeat + 1 if urgency.escalates else 1
    rounds = [(page.pass_no, page.tier + 1), *((p, 0) for p in range(page.pass_no + 1, passes))]
    if asked and len(rounds) == 1:
        rounds.append((page.pass_no, 0))  # a person who asks is never told that all tiers were tried: it wraps
    skipped: list[Skip] = []
    for pass_no, first in rounds:
        for group in _tiers(page, first, urgency):
            found = [r for t in group for r in _resolve_tier(page, directory, t, skipped)]
            if found:
                return _page(reason, now, pass_no, group[-1], False, found, skipped)
        if first == 0:
            break  # nobody in any tier: the next pass would find nobody either
    fallback = page.policy.fallback
    found = _resolve(page, directory, fallback, -1, skipped) if fallback else []
    if found:
        return _page(reason, now, page.pass_no, page.tier, True, found, skipped)
    return _end(page, tuple(dict.fromkeys(skipped)), now)


def _page(
    reason: Reason,
    now: datetime,
    pass_no: int,
    tier: int,
    at_fallback: bool,
    found: Sequence[Recipient],
    skipped: Sequence[Skip],
) -> Decision:
    """A decision to page each of `found` once; the page is looked at again at once, which sets its clock."""
    once: dict[int, Recipient] = {}
    for recipient in found:
        once.setdefault(recipient.person.id, recipient)
    return Decision(
        Do.PAGE, reason, now, pass_no, tier, at_fallback, tuple(once.values()), tuple(dict.fromkeys(skipped))
    )


def _end(page: PageFacts, skipped: tuple[Skip, ...], now: datetime) -> Decision:
    """Nobody is left. Where nobody at all could be reached, it is tried again: somebody may be given a way."""
    reason, due_at = (Reason.ALL_TRIED, None) if page.step else (Reason.NOBODY, now + NOBODY_LOOK)
    return Decision(Do.EXHAUSTED, reason, due_at, page.pass_no, page.tier, page.at_fallback, (), skipped)


def _tiers(page: PageFacts, first: int, urgency: Urgency) -> list[tuple[int, ...]]:
    rest = range(first, len(page.policy.tiers))
    return ([tuple(rest)] if rest else []) if urgency.whole_chain else [(t,) for t in rest]


def _resolve_tier(page: PageFacts, directory: Directory, tier: int, skipped: list[Skip]) -> list[Recipient]:
    targets = page.policy.tiers[tier].targets
    if not targets:
        skipped.append(Skip(tier, "", SkipReason.EMPTY_TIER))
    return [r for target in targets for r in _resolve(page, directory, target, tier, skipped)]


def _resolve(
    page: PageFacts, directory: Directory, target: TargetStamp, tier: int, skipped: list[Skip]
) -> list[Recipient]:
    """The recipient that `target` means now, or none and the reason added to `skipped`."""

    def skip(label: str, reason: SkipReason) -> list[Recipient]:
        skipped.append(Skip(tier, label, reason))
        return []

    user_id: int | None = target.id
    via = ""
    if target.kind is TargetKind.SCHEDULE:
        if target.id not in directory.on_call:
            return skip(target.label, SkipReason.NO_SCHEDULE)
        user_id, via = directory.on_call[target.id], target.label
        if user_id is None:
            return skip(target.label, SkipReason.NOBODY_ON_CALL)
    person = directory.people.get(user_id) if user_id is not None else None
    if person is None:
        return skip(target.label, SkipReason.UNKNOWN_PERSON)
    if not person.active:
        return skip(person.name, SkipReason.INACTIVE)
    if not person.ways:
        return skip(person.name, SkipReason.NO_WAY)
    if person.id == page.on_it:
        return skip(person.name, SkipReason.ON_IT)
    return [Recipient(person, tier, via)]


def plan(decision: Decision, severity: int, now: datetime) -> Sequence[Planned]:
    """The deliveries of a decision to page: each person's first way at once, the others as response back-up.

    A channel that cannot wake anybody costs nobody their sleep and is used at once, besides the others.
    """
    backup_s = URGENCY[severity].backup_s
    planned: list[Planned] = []
    for recipient in decision.recipients:
        ways = recipient.person.ways
        waking = [way for way in ways if way.wakes]
        for position, way in enumerate(waking):
            later = None if backup_s is None else now + timedelta(seconds=position * backup_s)
            planned.append(Planned(recipient, way, position, now if position == 0 else later))
        quiet = (way for way in ways if not way.wakes)
        planned.extend(Planned(recipient, way, len(waking) + i, now) for i, way in enumerate(quiet))
    return planned
