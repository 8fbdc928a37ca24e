"""One seed, one world: pages, people, providers and workers, all failing in ways that a seed decides.

Time jumps from one thing due to the next. A worker crashes at calls of the port, before or after the call took effect;
the database and the providers have outages; providers answer ambiguously, delivered or not; people acknowledge, ask for
help, get deactivated, change turns; severities rise and incidents end, also in the very moment between two calls.
`check` then asks what must hold in every world.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hemostat.channels import rules as outcomes
from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.paging.engine import DeliveryLease, Engine, Outgoing, Rules
from hemostat.paging.rules.policy import PolicyStamp, TargetKind, TargetStamp, TierStamp
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.rules.steps import ACCEPT_CAP, LEAST_TIME, Decision, Directory, Do, PageFacts, Person, Reason, Way
from tests.simulation.memory import MemoryPage, MemoryStore

START = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)
FAULTS_UNTIL = START + timedelta(minutes=40)
"""After this every fault is over, so that what is still missing at the end was lost."""
END = START + timedelta(hours=6)


class Crash(BaseException):
    """The process dies here."""


class DatabaseDown(Exception):  # noqa: N818
    """The call did not happen."""


@dataclass
class Sent:
    """A message that left: whether it arrived, and what we were told."""

    at: datetime
    outgoing: Outgoing
    arrived: bool
    told: OutcomeKind | None
    """None: the worker died before it heard."""


@dataclass
class Stepped:
    """A step that was taken."""

    at: datetime
    page_id: int
    facts: PageFacts
    decision: Decision


@dataclass
class Windows:
    """Times at which something is out of order."""

    spans: list[tuple[datetime, datetime]]

    def __contains__(self, at: datetime) -> bool:
        return any(start <= at < end for start, end in self.spans)


class Faulty:
    """The port, with faults: every call may crash the worker, find the database down, or be overtaken by people."""

    def __init__(self, world: World, store: MemoryStore) -> None:
        self._world = world
        self._store = store

    def _call(self, call: Callable[[], Any]) -> Any:
        world = self._world
        world.people_act()
        if world.now in world.database_down:
            raise DatabaseDown
        if world.crashes_now():
            raise Crash
        result = call()
        if world.crashes_now():
            raise Crash
        return result

    def claim_pages(self, now: datetime, limit: int) -> Any:
        return self._call(lambda: self._store.claim_pages(now, limit))

    def advance(self, lease: Any, now: datetime, next_step: Any) -> Any:
        def noting(facts: PageFacts, directory: Directory, at: datetime) -> Decision:
            decision: Decision = next_step(facts, directory, at)
            if decision.do is Do.PAGE:
                self._world.steps.append(Stepped(at, lease.page_id, facts, decision))
            return decision

        return self._call(lambda: self._store.advance(lease, now, noting))

    def page_failed(self, lease: Any, now: datetime, error: str) -> None:
        self._call(lambda: self._store.page_failed(lease, now, error))

    def claim_deliveries(self, now: datetime, limit: int, per_destination: int, avoid: Collection[str]) -> Any:
        return self._call(lambda: self._store.claim_deliveries(now, limit, per_destination, avoid))

    def begin_send(self, lease: DeliveryLease, now: datetime, why_not: Any) -> Any:
        def begin() -> Outgoing | None:
            outgoing = self._store.begin_send(lease, now, why_not)
            page = self._store.pages[lease.page_id]
            if outgoing is not None and (page.answered or page.over):
                self._world.broken.append(f"{lease.delivery_id}: sent although somebody had answered")
            return outgoing

        return self._call(begin)

    def finish_send(self, lease: DeliveryLease, outcome: Outcome, now: datetime, after: Any) -> None:
        self._call(lambda: self._store.finish_send(lease, outcome, now, after))


@dataclass
class World:
    """Everything that one seed makes."""

    seed: int
    rules: Rules = field(default_factory=Rules)
    store_class: type[MemoryStore] = MemoryStore
    engine_class: type[Engine] = Engine

    def __post_init__(self) -> None:
        rng = self.rng = random.Random(self.seed)
        self.now = START
        self.broken: list[str] = []
        self.sent: list[Sent] = []
        self.steps: list[Stepped] = []
        self.crashes = 0
        self.calm = rng.random() < 0.15
        self.crash_rate = 0.0 if self.calm else rng.choice([0, 0.01, 0.05, 0.15])
        self.database_down = self._windows(2, 240)
        self.provider_down = {d: self._windows(3, 900) for d in ("email", "webhook a", "webhook b")}
        self.ambiguity = 0.0 if self.calm else rng.choice([0, 0.05, 0.4])
        self.refusals = 0.0 if self.calm else rng.choice([0, 0.05, 0.3])
        self.acting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._orders = 0
        self.store = self.store_class(self.directory)
        self.people = self._people()
        self._pages()
        self.engines = [self._engine() for _ in range(2)]
        self.crashed_deliveries: defaultdict[uuid.UUID, int] = defaultdict(int)

    # --- making it ---

    def _windows(self, most: int, longest_s: int) -> Windows:
        if self.calm:
            return Windows([])
        spans = []
        for _ in range(self.rng.randint(0, most)):
            start = START + timedelta(seconds=self.rng.randrange(1500))
            end = min(FAULTS_UNTIL, start + timedelta(seconds=self.rng.randrange(1, longest_s)))
            spans.append((start, end))
        return Windows(spans)

    def _people(self) -> dict[int, Person]:
        people = {}
        for n in range(5):
            kinds = self.rng.choice([("email",), ("email", "webhook a"), ("webhook b", "email", "in_app"), ("in_app",)])
            ways = tuple(Way(10 * n + i, kind, kind, kind, kind != "in_app") for i, kind in enumerate(kinds))
            people[n] = Person(n, f"P{n}", True, ways if n == 4 or self.rng.random() < 0.85 else ())
        for n in range(4):
            if self.rng.random() < 0.2:
                self._later(self.rng.randrange(1200), lambda n=n: self._deactivate(n))  # type: ignore[misc]
        self.turns = [self.rng.choice([None, 0, 1, 2, 3]) for _ in range(20)]
        return people

    def _deactivate(self, n: int) -> None:
        self.people[n] = replace(self.people[n], active=False)

    def directory(self, now: datetime) -> Directory:
        """Who is who now; schedule 0 passes on every five minutes, sometimes to nobody, and 1 was deleted."""
        turn = int((now - START).total_seconds() // 300) % len(self.turns)
        return Directory(dict(self.people), {0: self.turns[turn]})

    def _pages(self) -> None:
        rng = self.rng
        for page_id in range(1, rng.randint(2, 4)):
            tiers = tuple(
                TierStamp(rng.choice([60, 120, 300]), tuple(self._target() for _ in range(rng.randint(0, 2))))
                for _ in range(rng.randint(1, 3))
            )
            policy = PolicyStamp("p", "P", rng.randint(0, 2), tiers, TargetStamp(TargetKind.USER, 4, "P4"))
            opened = START + timedelta(seconds=rng.randrange(300))
            self.store.pages[page_id] = MemoryPage(page_id, policy, rng.randint(0, 4), opened)
            if rng.random() < 0.2:
                self._later(rng.randrange(2400), lambda p=page_id: self._raise(p))  # type: ignore[misc]
            if rng.random() < 0.15:
                self._later(rng.randrange(3600), lambda p=page_id: self._resolve(p))  # type: ignore[misc]
            if rng.random() < 0.2:
                self._later(rng.randrange(2400), lambda p=page_id: self._mitigate(p))  # type: ignore[misc]

    def _target(self) -> TargetStamp:
        if self.rng.random() < 0.4:
            return TargetStamp(TargetKind.SCHEDULE, self.rng.choice([0, 0, 1]), "S")
        return TargetStamp(TargetKind.USER, self.rng.choice([0, 1, 2, 3, 99]), "P")

    def _engine(self) -> Engine:
        return self.engine_class(Faulty(self, self.store), self, lambda: self.now, self.rules)

    # --- people ---

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        at = self.now + timedelta(seconds=seconds)
        self._orders += 1
        self.acting.append((at, self._orders, act))

    def people_act(self) -> None:
        """Whatever people do by now, they do it between two calls of a worker."""
        for entry in sorted(e for e in self.acting if e[0] <= self.now):
            self.acting.remove(entry)
            entry[2]()

    def _acknowledge(self, page_id: int, user_id: int) -> None:
        page = self.store.pages[page_id]
        if page.over:
            return
        if page.for_help:
            if user_id != page.on_it:
                page.for_help = False
        elif not page.acknowledged:
            page.acknowledged, page.on_it = True, user_id
            if self.rng.random() < 0.2:
                self._later(self.rng.randrange(300), lambda: self._ask_help(page_id))
        self.store.look_again(page_id, self.now)

    def _ask_help(self, page_id: int) -> None:
        page = self.store.pages[page_id]
        if not page.over:
            self.store.ring(page_id, self.now, for_help=page.acknowledged)

    def _raise(self, page_id: int) -> None:
        page = self.store.pages[page_id]
        page.severity = max(0, page.severity - self.rng.randint(1, 2))
        self.store.look_again(page_id, self.now)

    def _mitigate(self, page_id: int) -> None:
        page = self.store.pages[page_id]
        page.mitigated = True
        self._later(self.rng.randrange(1, 400), lambda: setattr(page, "mitigated", False))

    def _resolve(self, page_id: int) -> None:
        self.store.pages[page_id].over = True
        self.store.look_again(page_id, self.now)

    # --- faults ---

    def crashes_now(self) -> bool:
        return self.now < FAULTS_UNTIL and self.rng.random() < self.crash_rate

    def send(self, outgoing: Outgoing) -> Outcome:
        """The provider: may be down, refuse, or not say what it did; the worker may die before it hears."""
        self.people_act()
        self.now += timedelta(milliseconds=self.rng.randrange(1, 3000))
        faulty = self.now < FAULTS_UNTIL
        down = self.provider_down.get(outgoing.kind)
        if down is not None and self.now in down:
            told, arrived = outcomes.temporary("down"), False
        elif faulty and self.rng.random() < self.refusals:
            told, arrived = outcomes.refused("no such address"), False
        elif faulty and self.rng.random() < self.ambiguity:
            told, arrived = outcomes.ambiguous("no answer"), self.rng.random() < 0.5
        else:
            told, arrived = outcomes.accepted("ok"), True
        sent = Sent(self.now, outgoing, arrived, None)
        self.sent.append(sent)
        if arrived:
            self._arrived(outgoing)
        if self.crashes_now():
            self.crashed_deliveries[outgoing.delivery_id] += 1
            raise Crash
        sent.told = told.kind
        return told

    def _arrived(self, outgoing: Outgoing) -> None:
        page_id = outgoing.incident_id
        if self.rng.random() < 0.12:
            self._later(self.rng.randrange(0, 400), lambda: self._acknowledge(page_id, outgoing.user_id))

    # --- running ---

    def run(self) -> World:
        """Play the world to its end."""
        while self.now < END:
            self.people_act()
            done = 0
            for number, engine in enumerate(self.engines):
                try:
                    done += engine.run_pages() + engine.run_deliveries()
                except Crash:
                    self.crashes += 1
                    self.engines[number] = self._engine()
                except DatabaseDown:
                    pass
            times = [at for at, _, _ in self.acting]
            due_at = self.store.next_due()
            if due_at is not None:
                times.append(due_at)
            if not times:
                break
            self.now = max(min(times), self.now + timedelta(seconds=0.25 if done else 5))
        return self

    # --- what must hold ---

    def check(self) -> list[str]:
        """Every promise that this world broke."""
        return [
            *self.broken,
            *self._nothing_is_lost(),
            *self._accepted_is_true(),
            *self._sends_are_bounded(),
            *self._everybody_had_their_time(),
            *self._fallback_is_reached(),
            *self._calm_worlds_are_prompt(),
        ]

    def _rows(self, page_id: int) -> list[Any]:
        return [row for row in self.store.deliveries.values() if row.page_id == page_id]

    def _nothing_is_lost(self) -> list[str]:
        broken = []
        for page in self.store.pages.values():
            rows = self._rows(page.id)
            happy = page.over or page.answered
            if page.due_at is not None and page.due_at + timedelta(minutes=10) < END:
                broken.append(f"page {page.id} is overdue since {page.due_at}")
            if happy and page.state not in {PageState.ACKNOWLEDGED, PageState.STOPPED}:
                broken.append(f"page {page.id} is answered but {page.state}")
            if (
                not happy
                and page.state is PageState.RINGING
                and page.reason != Reason.LOW_URGENCY
                and page.due_at is None
            ):
                broken.append(f"page {page.id} rings, and nothing is due: {page.reason}")
            if page.state is PageState.EXHAUSTED and not any(
                e.kind == "paging.exhausted" for e in self.store.events if e.page_id == page.id
            ):
                broken.append(f"page {page.id} ran out silently")
            if page.step and not rows:
                broken.append(f"page {page.id} took {page.step} steps and made no delivery")
            for step in range(1, page.step + 1):
                if not any(row.facts.step == step for row in rows):
                    broken.append(f"page {page.id}: step {step} has no delivery")
            for row in rows:
                reserve = row.facts.due_at is None and row.facts.tries == 0
                if row.facts.state is DeliveryState.PENDING and not (reserve and not happy) and self.now > FAULTS_UNTIL:
                    broken.append(f"page {page.id}: a delivery was never finished ({row.facts})")
        return broken

    def _accepted_is_true(self) -> list[str]:
        arrived = {s.outgoing.delivery_id for s in self.sent if s.arrived}
        return [
            f"{row.facts.id} is marked accepted, and never arrived"
            for row in self.store.deliveries.values()
            if row.facts.state is DeliveryState.ACCEPTED and row.facts.id not in arrived
        ]

    def _sends_are_bounded(self) -> list[str]:
        broken = []
        for delivery_id in self.store.deliveries:
            tries = [s for s in self.sent if s.outgoing.delivery_id == delivery_id]
            arrived = sum(s.arrived for s in tries)
            unknown = sum(s.told is OutcomeKind.AMBIGUOUS for s in tries)
            if arrived > 1 + self.crashes + unknown:
                broken.append(f"{delivery_id} arrived {arrived} times")
        return broken

    def _everybody_had_their_time(self) -> list[str]:
        broken = []
        for stepped in self.steps:
            if stepped.decision.reason is not Reason.TIMED_OUT:
                continue
            rows = stepped.facts.deliveries
            waking = [r for r in rows if r.wakes] or rows
            accepted = min((r.accepted_at for r in waking if r.accepted_at), default=None)
            began = stepped.facts.step_started_at
            assert began is not None
            if accepted is not None and stepped.at - accepted < LEAST_TIME:
                broken.append(f"page {stepped.page_id}: escalated {stepped.at - accepted} after the page arrived")
            if accepted is None and stepped.at - began < ACCEPT_CAP + LEAST_TIME:
                broken.append(f"page {stepped.page_id}: an outage burns through the tiers")
        return broken

    def _fallback_is_reached(self) -> list[str]:
        broken = []
        for page in self.store.pages.values():
            reached = any(row.facts.user_id == 4 for row in self._rows(page.id))
            if page.state is PageState.EXHAUSTED and not reached and not (page.for_help and page.on_it == 4):
                broken.append(f"page {page.id} ran out, and the fallback was not paged")
        return broken

    def _calm_worlds_are_prompt(self) -> list[str]:
        if not self.calm:
            return []
        return [
            f"{s.outgoing.delivery_id} arrived late in a calm world"
            for s in self.sent
            if (facts := self.store.deliveries[s.outgoing.delivery_id].facts).position == 0
            and s.at - facts.created_at > timedelta(seconds=40)
        ]
