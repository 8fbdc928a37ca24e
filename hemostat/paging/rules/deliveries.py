"""One delivery: whether it may still be sent, and what an answer means for it, for the person and for the page."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.paging.rules.states import DeliveryState

LONGEST_WAIT = timedelta(seconds=60)
"""Between two tries, where the provider does not ask for more."""
LONGEST_PATIENCE = timedelta(minutes=5)
"""The most that a provider's Retry-After can ask for."""
GIVE_UP_AFTER = timedelta(minutes=30)
GIVE_UP_TRIES = 8
"""A delivery is given up when it is this old and was tried this often: a long outage of ours is not the provider's."""
AMBIGUOUS_LIMIT = 5
"""How often a message is sent again although it may have arrived."""


class Kind(StrEnum):
    """What a delivery tells."""

    PAGE = "page"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class DeliveryFacts:
    """A delivery as the rules see it."""

    id: uuid.UUID
    user_id: int
    message: Kind
    step: int
    position: int
    wakes: bool
    state: DeliveryState
    due_at: datetime | None
    """None while pending: a reserve."""
    created_at: datetime
    tries: int = 0
    ambiguous: int = 0
    first_tried_at: datetime | None = None
    accepted_at: datetime | None = None


class Stop(StrEnum):
    """Why a delivery is not sent any more."""

    ANSWERED = "answered"
    OVER = "over"
    DECIDED = "decided"
    """it was accepted, failed or cancelled before"""


def why_not(delivery: DeliveryFacts, *, answered: bool, over: bool) -> Stop | None:
    """Why `delivery` must not be sent now; None when it must. Asked in the transaction that begins the sending."""
    if delivery.state is not DeliveryState.PENDING:
        return Stop.DECIDED
    if delivery.message is Kind.PAGE:
        if over:
            return Stop.OVER
        if answered:
            return Stop.ANSWERED
    return None


@dataclass(frozen=True)
class Verdict:
    """What follows from an outcome."""

    state: DeliveryState
    due_at: datetime | None
    """The next try, while pending."""
    ambiguous: int
    gave_up: bool = False
    pull: uuid.UUID | None = None
    """This person's next way, which is used now instead of later."""
    nudge: bool = False
    """The page must be looked at again: its clock starts, or nobody of its step can be reached."""


def after(outcome: Outcome, delivery: DeliveryFacts, others: Sequence[DeliveryFacts], now: datetime) -> Verdict:
    """What the answer to a try means; `delivery.tries` counts this try, `others` are the person's other ways.

    At least once: only the provider's acceptance ends a delivery well; whatever is not known is sent again, with the
    same idempotency key.
    """
    if outcome.kind is OutcomeKind.ACCEPTED:
        return Verdict(DeliveryState.ACCEPTED, None, delivery.ambiguous, nudge=True)
    unknown = delivery.ambiguous + (outcome.kind is OutcomeKind.AMBIGUOUS)
    tired = delivery.tries >= GIVE_UP_TRIES and now - delivery.created_at >= GIVE_UP_AFTER
    gave_up = tired or unknown >= AMBIGUOUS_LIMIT
    pull = _next_way(delivery, others, now)
    if outcome.kind is OutcomeKind.REFUSED or gave_up:
        return Verdict(DeliveryState.FAILED, None, unknown, gave_up=gave_up, pull=pull, nudge=True)
    return Verdict(DeliveryState.PENDING, now + _wait(delivery.tries, outcome.retry_after_s), unknown, pull=pull)


def _wait(tries: int, asked_s: float | None) -> timedelta:
    wait = min(LONGEST_WAIT, timedelta(seconds=2.0 ** min(tries - 1, 10)))
    if asked_s is not None:
        wait = max(wait, min(LONGEST_PATIENCE, timedelta(seconds=asked_s)))
    return wait


def _next_way(delivery: DeliveryFacts, others: Sequence[DeliveryFacts], now: datetime) -> uuid.UUID | None:
    waiting = [
        other
        for other in others
        if other.position > delivery.position
        and other.state is DeliveryState.PENDING
        and other.tries == 0
        and (other.due_at is None or other.due_at > now)
    ]
    return min(waiting, key=lambda other: other.position).id if waiting else None
