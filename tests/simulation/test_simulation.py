"""The engine of paging under crashes, outages, ambiguous answers and people, by the hundred; planted bugs, caught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hemostat.channels import rules as outcomes
from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.paging.engine import DeliveryLease, Engine, Rules
from hemostat.paging.rules import deliveries, steps
from hemostat.paging.rules.deliveries import DeliveryFacts, Stop, Verdict
from hemostat.paging.rules.states import DeliveryState
from hemostat.paging.rules.steps import Decision, Directory, Do, PageFacts, Reason
from tests.simulation.memory import MemoryPage, MemoryStore
from tests.simulation.world import World

SEEDS = range(300)


def test_every_promise_holds_in_every_world() -> None:
    broken = {}
    figures = {"sent": 0, "crashes": 0, "steps": 0, "ambiguous": 0}
    for seed in SEEDS:
        world = World(seed).run()
        if found := world.check():
            broken[seed] = found[0]
        figures["sent"] += len(world.sent)
        figures["crashes"] += world.crashes
        figures["steps"] += len(world.steps)
        figures["ambiguous"] += sum(s.told is OutcomeKind.AMBIGUOUS for s in world.sent)
    assert not broken
    # A simulation in which nothing goes wrong proves nothing.
    assert figures["sent"] > 2000
    assert figures["crashes"] > 300
    assert figures["ambiguous"] > 200
    assert figures["steps"] > 800


def test_the_same_seed_makes_the_same_world() -> None:
    one, other = World(7).run(), World(7).run()
    assert [(s.at, s.outgoing, s.told) for s in one.sent] == [(s.at, s.outgoing, s.told) for s in other.sent]
    assert one.store.events == other.store.events


# --- planted bugs ---


class MarksBeforeSending(Engine):
    """Writes the acceptance first and sends afterwards, as if nothing could come between."""

    def deliver(self, lease: DeliveryLease) -> None:
        outgoing = self.store.begin_send(lease, self.now(), self.rules.why_not)
        if outgoing is not None:
            self.store.finish_send(lease, outcomes.accepted("surely"), self.now(), self.rules.after)
            self.provider.send(outgoing)


class LeasesForEver(MemoryStore):
    """A claim whose worker died is never taken by another."""

    @staticmethod
    def _free(row: Any, now: datetime) -> bool:
        return row.lease is None and MemoryStore._free(row, now)


class TwoTransactions(MemoryStore):
    """Commits the page first; its deliveries are "enqueued after commit", by a worker that may be gone."""

    waiting: list[Callable[[], None]]

    def make_deliveries(self, page: MemoryPage, decision: Decision, now: datetime) -> None:
        self.__dict__.setdefault("waiting", []).append(
            lambda: MemoryStore.make_deliveries(self, replace(page), decision, now)
        )

    def claim_deliveries(self, *args: Any) -> Any:
        for enqueue in self.__dict__.pop("waiting", []):
            enqueue()
        return super().claim_deliveries(*args)

    def claim_pages(self, now: datetime, limit: int) -> Any:
        self.__dict__.pop("waiting", None)  # a new round by whoever is alive: the others' memory is gone
        return super().claim_pages(now, limit)


def never_checks_again(delivery: DeliveryFacts, *, answered: bool, over: bool) -> Stop | None:
    """Trusts the claim: whoever answered since is rung all the same."""
    return deliveries.why_not(delivery, answered=False, over=False)


def ambiguous_is_fine(
    outcome: Outcome, delivery: DeliveryFacts, others: Sequence[DeliveryFacts], now: datetime
) -> Verdict:
    """Takes silence for consent."""
    if outcome.kind is OutcomeKind.AMBIGUOUS:
        outcome = outcomes.accepted(outcome.answer)
    return deliveries.after(outcome, delivery, others, now)


def forgets_to_try_again(
    outcome: Outcome, delivery: DeliveryFacts, others: Sequence[DeliveryFacts], now: datetime
) -> Verdict:
    """A temporary refusal is noted, and that was that."""
    verdict = deliveries.after(outcome, delivery, others, now)
    return replace(verdict, due_at=None)


def sends_what_was_taken(
    outcome: Outcome, delivery: DeliveryFacts, others: Sequence[DeliveryFacts], now: datetime
) -> Verdict:
    """Does not write an acceptance every third time: it is sent again."""
    verdict = deliveries.after(outcome, delivery, others, now)
    if verdict.state is DeliveryState.ACCEPTED and delivery.tries < 3:
        return Verdict(DeliveryState.PENDING, now + timedelta(seconds=1), delivery.ambiguous)
    return verdict


def stops_at_an_empty_tier(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """Nobody on call means nobody is called: it waits for the tier's time instead of going on."""
    decision = steps.next_step(page, directory, now)
    if decision.skipped and decision.do is Do.PAGE:
        return Decision(Do.WAIT, Reason.WAITING, None, page.pass_no, page.tier, page.at_fallback)
    return decision


def has_no_fallback(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """When the tiers are through, that is the end."""
    return steps.next_step(replace(page, policy=replace(page.policy, fallback=None)), directory, now)


def clock_from_the_start(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """The tier's time runs from the decision, whenever the provider took the message."""
    pretended = tuple(replace(d, accepted_at=page.step_started_at) for d in page.deliveries)
    return steps.next_step(replace(page, deliveries=pretended), directory, now)


def gives_nobody_their_minute(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """After an outage it hurries: a tier whose message arrived a moment ago is passed over."""
    if page.step_started_at is None:
        return steps.next_step(page, directory, now)
    latest = page.step_started_at + steps.ACCEPT_CAP
    early = tuple(replace(d, accepted_at=d.accepted_at and min(d.accepted_at, latest)) for d in page.deliveries)
    return steps.next_step(replace(page, deliveries=early), directory, now)


def does_not_hear_the_end(page: PageFacts, directory: Directory, now: datetime) -> Decision:
    """An answer does not end the escalation."""
    return steps.next_step(replace(page, answered=False, over=False), directory, now)


@dataclass(frozen=True)
class Mutant:
    """An engine with a bug."""

    rules: Rules = field(default_factory=Rules)
    store_class: type[MemoryStore] = MemoryStore
    engine_class: type[Engine] = Engine


MUTANTS = {
    "marks before sending": Mutant(engine_class=MarksBeforeSending),
    "leases for ever": Mutant(store_class=LeasesForEver),
    "two transactions": Mutant(store_class=TwoTransactions),
    "never checks again": Mutant(rules=Rules(why_not=never_checks_again)),
    "ambiguous is fine": Mutant(rules=Rules(after=ambiguous_is_fine)),
    "forgets to try again": Mutant(rules=Rules(after=forgets_to_try_again)),
    "sends what was taken": Mutant(rules=Rules(after=sends_what_was_taken)),
    "stops at an empty tier": Mutant(rules=Rules(next_step=stops_at_an_empty_tier)),
    "has no fallback": Mutant(rules=Rules(next_step=has_no_fallback)),
    "clock from the start": Mutant(rules=Rules(next_step=clock_from_the_start)),
    "gives nobody their minute": Mutant(rules=Rules(next_step=gives_nobody_their_minute)),
    "does not hear the end": Mutant(rules=Rules(next_step=does_not_hear_the_end)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    mutant = MUTANTS[name]
    for seed in SEEDS:
        if World(seed, mutant.rules, mutant.store_class, mutant.engine_class).run().check():
            return
    pytest.fail(f"no world of {len(SEEDS)} caught the bug “{name}”")
