"""The clock of paging: a step machine over a small port (store, provider, time).

Production puts PostgreSQL and the channels behind the port, the simulation a store in memory and providers that fail;
one set of contract tests holds both stores to the same behaviour. A crash can happen at every call of the port and
nowhere else, so that is where the simulation crashes.

One page: claim → (in one transaction: look afresh, decide, write page, events and deliveries). One delivery: claim →
(in one transaction: may it still be sent?) → send, outside any transaction → (in one transaction: what the answer
means). Nothing is marked sent before the provider took it; a claim whose worker died is taken by another.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from hemostat.channels.rules import Outcome, ambiguous
from hemostat.paging.rules import deliveries, steps
from hemostat.paging.rules.deliveries import DeliveryFacts, Stop, Verdict
from hemostat.paging.rules.steps import Decision, Directory, PageFacts

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""A claim older than this is another worker's to take."""


@dataclass(frozen=True)
class PageLease:
    """A page claimed by this worker."""

    page_id: int
    token: uuid.UUID


@dataclass(frozen=True)
class DeliveryLease:
    """A delivery claimed by this worker."""

    delivery_id: uuid.UUID
    page_id: int
    destination: str
    token: uuid.UUID


@dataclass(frozen=True)
class Outgoing:
    """A delivery about to be sent."""

    delivery_id: uuid.UUID
    incident_id: int
    user_id: int
    method_id: int
    kind: str
    message: deliveries.Kind
    tier: int
    """Why this person is paged: the tier, from 0; -1: the fallback."""
    via: str
    """The schedule that named them; "" : named directly."""


NextStep = Callable[[PageFacts, Directory, datetime], Decision]
WhyNot = Callable[..., Stop | None]
After = Callable[[Outcome, DeliveryFacts, Sequence[DeliveryFacts], datetime], Verdict]


@dataclass(frozen=True)
class Rules:
    """The pure decisions that the engine asks for; the simulation plants faults here."""

    next_step: NextStep = steps.next_step
    why_not: WhyNot = deliveries.why_not
    after: After = deliveries.after


class Store(Protocol):
    """Where pages and deliveries are kept. Each call is one transaction: it happens wholly or not at all."""

    def claim_pages(self, now: datetime, limit: int) -> list[PageLease]:
        """Take pages that are due, oldest first, under a lease."""
        ...

    def advance(self, lease: PageLease, now: datetime, next_step: NextStep) -> Decision | None:
        """Look at a claimed page afresh and carry out what `next_step` decides; None when the lease was lost."""
        ...

    def page_failed(self, lease: PageLease, now: datetime, error: str) -> None:
        """Deciding failed: try again later, and show why. A page is never parked."""
        ...

    def claim_deliveries(
        self, now: datetime, limit: int, per_destination: int, avoid: Collection[str]
    ) -> list[DeliveryLease]:
        """Take deliveries that are due, at most `per_destination` to each destination, none to those in `avoid`."""
        ...

    def begin_send(self, lease: DeliveryLease, now: datetime, why_not: WhyNot) -> Outgoing | None:
        """Check a claimed delivery against the present, count the try and renew the lease.

        None when it must not be sent (then it is cancelled) or the lease was lost.
        """
        ...

    def finish_send(self, lease: DeliveryLease, outcome: Outcome, now: datetime, after: After) -> None:
        """Write what came of a try. An acceptance is written even when the lease was lost: it is the truth."""
        ...


class Provider(Protocol):
    """What carries messages."""

    def send(self, outgoing: Outgoing) -> Outcome:
        """Send one message, within a time-out shorter than the lease."""
        ...


class Engine:
    """Works through what is due; any number of engines over one store."""

    def __init__(
        self, store: Store, provider: Provider, now: Callable[[], datetime], rules: Rules | None = None
    ) -> None:
        self.store = store
        self.provider = provider
        self.now = now
        self.rules = rules or Rules()

    def run_pages(self, limit: int = 100) -> int:
        """Take every page that is due one step further; returns how many were looked at."""
        leases = self.store.claim_pages(self.now(), limit)
        for lease in leases:
            try:
                self.store.advance(lease, self.now(), self.rules.next_step)
            except Exception as error:
                log.exception("a page could not be looked at", page=lease.page_id)
                self.store.page_failed(lease, self.now(), f"{type(error).__name__}: {error}")
        return len(leases)

    def deliver(self, lease: DeliveryLease) -> None:
        """Send one claimed delivery and write what came of it."""
        outgoing = self.store.begin_send(lease, self.now(), self.rules.why_not)
        if outgoing is None:
            return
        try:
            outcome = self.provider.send(outgoing)
        except Exception as error:
            log.exception("sending failed in an unexpected way", delivery=str(lease.delivery_id))
            outcome = ambiguous(f"internal error: {type(error).__name__}")
        self.store.finish_send(lease, outcome, self.now(), self.rules.after)

    def run_deliveries(self, limit: int = 100, per_destination: int = 100) -> int:
        """Send what is due, one after the other; for the simulation and tests (`sender` does it side by side)."""
        leases = self.store.claim_deliveries(self.now(), limit, per_destination, ())
        for lease in leases:
            self.deliver(lease)
        return len(leases)
