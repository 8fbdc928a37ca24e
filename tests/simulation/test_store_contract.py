"""Both stores of the engine keep the same promises: the one in PostgreSQL, and the one the simulation runs on.

First promise by promise, then side by side: the same random history played on both must leave the same state.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.channels import rules as outcomes
from hemostat.channels.models import ContactMethod
from hemostat.channels.rules import Outcome
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.paging import actions
from hemostat.paging.engine import DeliveryLease, Rules, Store
from hemostat.paging.models import Delivery, Page
from hemostat.paging.rules.deliveries import Kind
from hemostat.paging.rules.policy import PolicyStamp, TargetKind, TargetStamp, TierStamp
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.rules.steps import Directory, Person, Way
from hemostat.paging.store import PostgresStore
from hemostat.people.models import User
from tests.paging.world import START, incident
from tests.simulation.memory import MemoryPage, MemoryStore

pytestmark = pytest.mark.django_db(transaction=True)
RULES = Rules()
DESTINATIONS = {"email": "email", "webhook": "webhook hooks.example.org", "in_app": "in_app"}


@dataclass(frozen=True)
class Row:
    """A delivery as both stores can be asked for it."""

    user: int
    step: int
    position: int
    state: DeliveryState
    due_at: datetime | None
    tries: int
    ambiguous: int
    accepted_at: datetime | None
    leased: bool


@dataclass(frozen=True)
class PageRow:
    """A page as both stores can be asked for it."""

    state: PageState
    reason: str
    step: int
    pass_no: int
    tier: int
    at_fallback: bool
    due_at: datetime | None
    leased: bool


class Harness(Protocol):
    """A store with people 0 to 3, and what other rooms do to its pages."""

    store: Store

    def new_page(self, policy: PolicyStamp, severity: int) -> int: ...
    def acknowledge(self, page_id: int) -> None: ...
    def resolve(self, page_id: int) -> None: ...
    def raise_to(self, page_id: int, severity: int) -> None: ...
    def ask_help(self, page_id: int) -> None: ...
    def page(self, page_id: int) -> PageRow: ...
    def rows(self, page_id: int) -> list[Row]: ...


WAYS = {0: ("email", "webhook", "in_app"), 1: ("webhook",), 2: (), 3: ("email",)}


class MemoryHarness:
    """The simulation's store."""

    def __init__(self) -> None:
        people = {
            u: Person(
                u,
                f"P{u}",
                True,
                tuple(Way(10 * u + i, k, k, DESTINATIONS[k], k != "in_app") for i, k in enumerate(kinds)),
            )
            for u, kinds in WAYS.items()
        }
        self.memory = MemoryStore(lambda _now: Directory(people, {}))
        self.store: Store = self.memory

    def new_page(self, policy: PolicyStamp, severity: int) -> int:
        page_id = len(self.memory.pages) + 1
        self.memory.pages[page_id] = MemoryPage(page_id, policy, severity, clock.now())
        return page_id

    def acknowledge(self, page_id: int) -> None:
        page = self.memory.pages[page_id]
        if not page.over and not page.acknowledged:
            page.acknowledged, page.on_it = True, 0
            self.memory.look_again(page_id, clock.now())

    def resolve(self, page_id: int) -> None:
        self.memory.pages[page_id].over = True
        self.memory.look_again(page_id, clock.now())

    def raise_to(self, page_id: int, severity: int) -> None:
        self.memory.pages[page_id].severity = severity
        self.memory.look_again(page_id, clock.now())

    def ask_help(self, page_id: int) -> None:
        self.memory.ring(page_id, clock.now(), for_help=self.memory.pages[page_id].acknowledged)

    def page(self, page_id: int) -> PageRow:
        p = self.memory.pages[page_id]
        return PageRow(p.state, p.reason, p.step, p.pass_no, p.tier, p.at_fallback, p.due_at, p.lease is not None)

    def rows(self, page_id: int) -> list[Row]:
        return _sorted(
            Row(
                d.facts.user_id,
                d.facts.step,
                d.facts.position,
                d.facts.state,
                d.facts.due_at,
                d.facts.tries,
                d.facts.ambiguous,
                d.facts.accepted_at,
                d.lease is not None,
            )
            for d in self.memory.deliveries.values()
            if d.page_id == page_id
        )


class PostgresHarness:
    """The real store."""

    def __init__(self) -> None:
        self.store: Store = PostgresStore()
        self.users: dict[int, User] = {}
        for u, kinds in WAYS.items():
            user = User.objects.create(email=f"p{u}@example.org", name=f"P{u}", created_at=START)
            self.users[u] = user
            for i, kind in enumerate(kinds):
                ContactMethod.objects.create(
                    user=user,
                    kind=kind,
                    label=kind,
                    destination=DESTINATIONS[kind],
                    position=i,
                    verified_at=START,
                    created_at=START,
                )
        self.names = {user.pk: u for u, user in self.users.items()}

    def _real(self, policy: PolicyStamp) -> PolicyStamp:
        def real(target: TargetStamp | None) -> TargetStamp | None:
            return target and TargetStamp(TargetKind.USER, self.users[target.id].pk, target.label)

        tiers = tuple(TierStamp(t.timeout_s, tuple(filter(None, map(real, t.targets)))) for t in policy.tiers)
        return PolicyStamp(policy.slug, policy.name, policy.repeat, tiers, real(policy.fallback))

    def new_page(self, policy: PolicyStamp, severity: int) -> int:
        row = incident(severity, number=Incident.objects.count() + 1)
        page = Page.objects.create(
            incident=row, policy=self._real(policy).as_json(), started_at=clock.now(), due_at=clock.now()
        )
        return page.pk

    def _incident(self, page_id: int) -> Incident:
        return Page.objects.select_related("incident").get(pk=page_id).incident

    def acknowledge(self, page_id: int) -> None:
        row = self._incident(page_id)
        if row.state == State.OPEN:
            row.state, row.acknowledged_at, row.acknowledged_by = State.ACKNOWLEDGED, clock.now(), self.users[0]
            row.save()
            actions.look_again(row.pk)

    def resolve(self, page_id: int) -> None:
        row = self._incident(page_id)
        row.state, row.resolved_at = State.RESOLVED, clock.now()
        row.save()
        actions.look_again(row.pk)

    def raise_to(self, page_id: int, severity: int) -> None:
        row = self._incident(page_id)
        Incident.objects.filter(pk=row.pk).update(severity=severity)
        actions.look_again(row.pk)

    def ask_help(self, page_id: int) -> None:
        from hemostat.base.ids import uuid7

        actions.help_asked(self._incident(page_id).pk, uuid7(clock.now()))

    def page(self, page_id: int) -> PageRow:
        p = Page.objects.get(pk=page_id)
        leased = p.lease is not None
        return PageRow(PageState(p.state), p.reason, p.step, p.pass_no, p.tier, p.at_fallback, p.due_at, leased)

    def rows(self, page_id: int) -> list[Row]:
        return _sorted(
            Row(
                self.names[d.user_id],
                d.step,
                d.position,
                DeliveryState(d.state),
                d.due_at,
                d.tries,
                d.ambiguous,
                d.accepted_at,
                d.lease is not None,
            )
            for d in Delivery.objects.filter(page_id=page_id, message=Kind.PAGE)
        )


def _sorted(rows: Any) -> list[Row]:
    return sorted(rows, key=lambda r: (r.step, r.user, r.position))


def policy_of(*tiers: tuple[int, ...], fallback: int = 3, repeat: int = 0) -> PolicyStamp:
    def user(n: int) -> TargetStamp:
        return TargetStamp(TargetKind.USER, n, f"P{n}")

    stamps = tuple(TierStamp(300, tuple(user(n) for n in tier)) for tier in tiers)
    return PolicyStamp("p", "P", repeat, stamps, user(fallback))


@pytest.fixture
def time() -> Any:
    manual = ManualClock(START)
    with clock.using(manual):
        yield manual


@pytest.fixture(params=[MemoryHarness, PostgresHarness], ids=["memory", "postgres"])
def at(request: pytest.FixtureRequest, time: ManualClock) -> Harness:
    return request.param()  # type: ignore[no-any-return]


def step(at: Harness) -> None:
    for lease in at.store.claim_pages(clock.now(), 10):
        at.store.advance(lease, clock.now(), RULES.next_step)


def claim(at: Harness, limit: int = 10, per: int = 10, avoid: tuple[str, ...] = ()) -> list[DeliveryLease]:
    return at.store.claim_deliveries(clock.now(), limit, per, avoid)


def finish(at: Harness, lease: DeliveryLease, outcome: Outcome) -> None:
    at.store.finish_send(lease, outcome, clock.now(), RULES.after)


def begin(at: Harness, lease: DeliveryLease) -> bool:
    return at.store.begin_send(lease, clock.now(), RULES.why_not) is not None


def test_a_page_is_claimed_once_and_taken_by_another_when_its_worker_is_gone(at: Harness, time: ManualClock) -> None:
    at.new_page(policy_of((1,)), 1)
    (first,) = at.store.claim_pages(clock.now(), 10)
    assert at.store.claim_pages(clock.now(), 10) == []
    time.advance(29)
    assert at.store.claim_pages(clock.now(), 10) == []
    time.advance(1)
    (second,) = at.store.claim_pages(clock.now(), 10)
    assert at.store.advance(first, clock.now(), RULES.next_step) is None
    assert at.store.advance(second, clock.now(), RULES.next_step) is not None


def test_a_step_writes_the_page_and_its_deliveries_together(at: Harness) -> None:
    page = at.new_page(policy_of((0,), (1,)), 1)
    step(at)
    assert at.page(page).step == 1
    first, backup, quiet = at.rows(page)
    assert first.due_at == quiet.due_at == START
    assert backup.due_at == START + timedelta(seconds=60)


def test_a_delivery_is_cancelled_when_somebody_answered_between_claim_and_sending(at: Harness) -> None:
    page = at.new_page(policy_of((1,)), 1)
    step(at)
    (lease,) = claim(at)
    at.acknowledge(page)
    step(at)
    assert not begin(at, lease)
    assert [r.state for r in at.rows(page)] == [DeliveryState.CANCELLED]
    assert at.page(page).state is PageState.ACKNOWLEDGED


def test_what_waits_is_cancelled_by_an_answer_and_what_is_being_sent_is_not(at: Harness) -> None:
    page = at.new_page(policy_of((0,)), 1)
    step(at)
    leases = claim(at, limit=1)
    assert begin(at, leases[0])
    at.acknowledge(page)
    step(at)
    states = sorted(r.state for r in at.rows(page))
    assert states == [DeliveryState.CANCELLED, DeliveryState.CANCELLED, DeliveryState.PENDING]
    finish(at, leases[0], outcomes.accepted("ok"))
    assert DeliveryState.ACCEPTED in [r.state for r in at.rows(page)]


def test_an_acceptance_makes_the_page_due_and_starts_its_clock(at: Harness, time: ManualClock) -> None:
    page = at.new_page(policy_of((1,), (3,)), 1)
    step(at)
    step(at)
    (lease,) = claim(at)
    assert begin(at, lease)
    time.advance(5)
    finish(at, lease, outcomes.accepted("ok"))
    assert at.page(page).due_at == clock.now()
    step(at)
    assert at.page(page).due_at == START + timedelta(seconds=305)


def test_a_refusal_brings_the_next_way_forward(at: Harness) -> None:
    page = at.new_page(policy_of((0,)), 1)
    step(at)
    email = next(lease for lease in claim(at) if lease.destination == "email")
    assert begin(at, email)
    finish(at, email, outcomes.refused("550 no"))
    assert next((r.position, r.state) for r in at.rows(page)) == (0, DeliveryState.FAILED)
    assert at.rows(page)[1].due_at == START
    assert [lease.destination for lease in claim(at)] == ["webhook hooks.example.org"]


def test_a_temporary_refusal_is_tried_again_later_and_not_before(at: Harness, time: ManualClock) -> None:
    at.new_page(policy_of((1,)), 1)
    step(at)
    (lease,) = claim(at)
    assert begin(at, lease)
    finish(at, lease, outcomes.temporary("503", 20))
    time.advance(19)
    assert claim(at) == []
    time.advance(1)
    assert len(claim(at)) == 1


def test_an_acceptance_counts_even_when_the_lease_was_lost_and_a_refusal_does_not(
    at: Harness, time: ManualClock
) -> None:
    page = at.new_page(policy_of((1,)), 1)
    step(at)
    (late,) = claim(at)
    assert begin(at, late)
    time.advance(31)
    (other,) = claim(at)
    finish(at, late, outcomes.refused("no"))
    assert at.rows(page)[0].state is DeliveryState.PENDING
    finish(at, late, outcomes.accepted("ok"))
    assert at.rows(page)[0].state is DeliveryState.ACCEPTED
    assert not begin(at, other)
    assert at.rows(page)[0].state is DeliveryState.ACCEPTED
    assert claim(at) == []


def test_a_destination_is_given_no_more_than_it_may_have(at: Harness) -> None:
    for _ in range(3):
        at.new_page(policy_of((1, 3)), 1)
    step(at)
    webhook = "webhook hooks.example.org"
    taken = [lease.destination for lease in claim(at, per=2)]
    assert sorted(taken) == ["email", "email", webhook, webhook]
    assert [lease.destination for lease in claim(at, avoid=(webhook,))] == ["email"]
    assert [lease.destination for lease in claim(at)] == [webhook]


def test_a_page_whose_deciding_fails_is_tried_again_and_never_parked(at: Harness, time: ManualClock) -> None:
    page = at.new_page(policy_of((1,)), 1)
    for _ in range(20):
        (lease,) = at.store.claim_pages(clock.now(), 1)
        at.store.page_failed(lease, clock.now(), "ValueError: a bug")
        time.advance(301)
    step(at)
    assert at.page(page).step == 1


def history(seed: int, at: Harness, time: ManualClock) -> list[Any]:
    """Play one random history; returns all that can be seen after each of its moves."""
    rng = random.Random(seed)
    tiers = [tuple(rng.sample(range(4), rng.randint(1, 3))) for _ in range(rng.randint(1, 3))]
    page = at.new_page(policy_of(*tiers, repeat=rng.randint(0, 1)), rng.randint(0, 4))
    seen: list[Any] = []
    held: list[DeliveryLease] = []
    sending: list[DeliveryLease] = []
    answers: list[Callable[[], Outcome]] = [
        lambda: outcomes.accepted("ok"),
        lambda: outcomes.refused("no"),
        lambda: outcomes.temporary("later", rng.choice([None, 40.0])),
        lambda: outcomes.ambiguous("?"),
    ]

    def send() -> None:
        if held:
            lease = held.pop(rng.randrange(len(held)))
            if begin(at, lease):
                sending.append(lease)

    def answer() -> None:
        if sending:
            finish(at, sending.pop(rng.randrange(len(sending))), rng.choice(answers)())

    def take() -> None:
        leases = claim(at, limit=1000, per=1000)  # among equals each store has an order of its own: take all
        held.extend(sorted(leases, key=lambda lease: order(at, lease)))

    moves: list[tuple[float, Callable[[], object]]] = [
        (6, lambda: step(at)),
        (6, take),
        (6, send),
        (5, answer),
        (3, lambda: time.advance(rng.choice([1, 5, 31, 61, 125, 301]))),
        (0.3, lambda: at.acknowledge(page)),
        (0.3, lambda: at.ask_help(page)),
        (0.2, lambda: at.raise_to(page, 0)),
        (0.1, lambda: at.resolve(page)),
    ]
    for _ in range(60):
        rng.choices([m for _, m in moves], [w for w, _ in moves])[0]()
        seen.append((clock.now(), at.page(page), at.rows(page)))
    return seen


def order(at: Harness, lease: DeliveryLease) -> tuple[int, int, int, int]:
    """Where a delivery stands, in terms both stores share."""
    if isinstance(at, MemoryHarness):
        facts = at.memory.deliveries[lease.delivery_id].facts
        return lease.page_id, facts.step, facts.user_id, facts.position
    assert isinstance(at, PostgresHarness)
    row = Delivery.objects.get(pk=lease.delivery_id)
    return lease.page_id, row.step, at.names[row.user_id], row.position


def test_the_same_history_leaves_both_stores_in_the_same_state(time: ManualClock) -> None:
    memory, postgres = MemoryHarness(), PostgresHarness()
    for seed in range(15):
        expected = history(seed, memory, back_to_start(time))
        found = history(seed, postgres, back_to_start(time))
        for move, (one, other) in enumerate(zip(expected, found, strict=True)):
            assert one == other, f"seed {seed}, move {move}"


def back_to_start(time: ManualClock) -> ManualClock:
    """The same clock, turned back to the start."""
    time.advance((START - time.now()).total_seconds())
    return time
