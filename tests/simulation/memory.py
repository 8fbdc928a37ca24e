"""The engine's store in memory, for the simulation: fast, and held to PostgreSQL's behaviour by `test_store_contract`.

It decides nothing: the same pure rules do. What it must share with the real store is what is written when, under which
lease, and that each call happens wholly or not at all.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from hemostat.base.due import backoff
from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.paging.engine import LEASE, After, DeliveryLease, NextStep, Outgoing, PageLease, WhyNot
from hemostat.paging.rules import record, steps
from hemostat.paging.rules.deliveries import DeliveryFacts, Kind, Stop, Verdict
from hemostat.paging.rules.policy import PolicyStamp
from hemostat.paging.rules.record import STATE_AFTER
from hemostat.paging.rules.states import DELIVERY, PAGE, DeliveryState, PageState
from hemostat.paging.rules.steps import Decision, Directory, Do, PageFacts, Reason


@dataclass
class MemoryPage:
    """A page and its incident."""

    id: int
    policy: PolicyStamp
    severity: int
    due_at: datetime | None
    state: PageState = PageState.RINGING
    reason: str = ""
    step: int = 0
    pass_no: int = 0
    tier: int = -1
    at_fallback: bool = False
    for_help: bool = False
    escalate_step: int | None = None
    grace_step: int = 0
    step_started_at: datetime | None = None
    acknowledged: bool = False
    over: bool = False
    mitigated: bool = False
    on_it: int | None = None
    lease: uuid.UUID | None = None
    lease_until: datetime | None = None
    attempts: int = 0

    @property
    def answered(self) -> bool:
        return not self.for_help and self.acknowledged


@dataclass
class MemoryDelivery:
    """A delivery: what the rules see of it, and who has claimed it."""

    page_id: int
    facts: DeliveryFacts
    method_id: int
    kind: str
    destination: str
    tier: int
    via: str
    lease: uuid.UUID | None = None
    lease_until: datetime | None = None


@dataclass(frozen=True)
class Happened:
    """An event as the simulation keeps it."""

    at: datetime
    page_id: int
    kind: str


class MemoryStore:
    """See `engine.Store` for what each call promises."""

    def __init__(self, directory: Callable[[datetime], Directory]) -> None:
        self.directory = directory
        self.pages: dict[int, MemoryPage] = {}
        self.deliveries: dict[uuid.UUID, MemoryDelivery] = {}
        self.events: list[Happened] = []
        self._ids = 0

    def _uuid(self) -> uuid.UUID:
        self._ids += 1
        return uuid.UUID(int=self._ids)

    # --- the port ---

    def claim_pages(self, now: datetime, limit: int) -> list[PageLease]:
        token = self._uuid()
        due = sorted((p.due_at, p.id) for p in self.pages.values() if p.due_at is not None and self._free(p, now))
        leases = []
        for _, page_id in due[:limit]:
            page = self.pages[page_id]
            page.lease, page.lease_until, page.attempts = token, now + LEASE, page.attempts + 1
            leases.append(PageLease(page_id, token))
        return leases

    @staticmethod
    def _free(row: MemoryPage | MemoryDelivery, now: datetime) -> bool:
        due_at = row.due_at if isinstance(row, MemoryPage) else row.facts.due_at
        return due_at is not None and due_at <= now and (row.lease_until is None or row.lease_until <= now)

    def advance(self, lease: PageLease, now: datetime, next_step: NextStep) -> Decision | None:
        page = self.pages[lease.page_id]
        if page.lease != lease.token:
            return None
        facts = self.facts(page)
        decision = next_step(facts, self.directory(now), now)
        self.carry_out(page, facts, decision, now)
        return decision

    def facts(self, page: MemoryPage) -> PageFacts:
        return PageFacts(
            policy=page.policy,
            state=page.state,
            severity=page.severity,
            step=page.step,
            pass_no=page.pass_no,
            tier=page.tier,
            at_fallback=page.at_fallback,
            step_started_at=page.step_started_at,
            escalate_step=page.escalate_step,
            grace_step=page.grace_step,
            answered=page.answered,
            over=page.over,
            mitigated=page.mitigated,
            on_it=page.on_it if page.for_help else None,
            deliveries=tuple(
                d.facts
                for d in self.deliveries.values()
                if d.page_id == page.id and d.facts.step == page.step and d.facts.message is Kind.PAGE
            ),
        )

    def carry_out(self, page: MemoryPage, facts: PageFacts, decision: Decision, now: datetime) -> None:
        happened = record.of_decision(
            decision, state=page.state, reason=page.reason, tiers=len(page.policy.tiers), severity=page.severity
        )
        after = STATE_AFTER.get(decision.do, page.state)
        if after is not page.state:
            page.state = PAGE.move(page.state, after)
        page.reason = decision.reason
        if decision.reason is Reason.BACKLOG:
            page.grace_step = page.step
        if decision.do is Do.PAGE:
            page.step += 1
            page.step_started_at = now
            page.pass_no, page.tier, page.at_fallback = decision.pass_no, decision.tier, decision.at_fallback
            self.make_deliveries(page, decision, now)
        if decision.do in {Do.ANSWERED, Do.STOP}:
            for row in self._of(page.id):
                if row.facts.message is Kind.PAGE and row.facts.state is DeliveryState.PENDING and row.lease is None:
                    row.facts = replace(row.facts, state=DeliveryState.CANCELLED, due_at=None)
        page.due_at, page.lease, page.lease_until, page.attempts = decision.due_at, None, None, 0
        self.events.extend(Happened(now, page.id, event.kind) for event in happened)

    def make_deliveries(self, page: MemoryPage, decision: Decision, now: datetime) -> None:
        for planned in steps.plan(decision, page.severity, now):
            delivery_id = self._uuid()
            self.deliveries[delivery_id] = MemoryDelivery(
                page_id=page.id,
                facts=DeliveryFacts(
                    id=delivery_id,
                    user_id=planned.recipient.person.id,
                    message=Kind.PAGE,
                    step=page.step,
                    position=planned.position,
                    wakes=planned.way.wakes,
                    state=DeliveryState.PENDING,
                    due_at=planned.due_at,
                    created_at=now,
                ),
                method_id=planned.way.id,
                kind=planned.way.kind,
                destination=planned.way.destination,
                tier=planned.recipient.tier,
                via=planned.recipient.via,
            )

    def page_failed(self, lease: PageLease, now: datetime, error: str) -> None:
        page = self.pages[lease.page_id]
        if page.lease == lease.token:
            page.lease, page.lease_until = None, None
            page.due_at = now + backoff(page.attempts)

    def claim_deliveries(
        self, now: datetime, limit: int, per_destination: int, avoid: Collection[str]
    ) -> list[DeliveryLease]:
        token = self._uuid()
        taken: Counter[str] = Counter()
        leases: list[DeliveryLease] = []
        due = [row for row in self.deliveries.values() if self._free(row, now) and row.destination not in avoid]
        for row in sorted(due, key=lambda row: (row.facts.due_at or now, row.facts.id)):
            if len(leases) < limit and taken[row.destination] < per_destination:
                taken[row.destination] += 1
                row.lease, row.lease_until = token, now + LEASE
                leases.append(DeliveryLease(row.facts.id, row.page_id, row.destination, token))
        return leases

    def begin_send(self, lease: DeliveryLease, now: datetime, why_not: WhyNot) -> Outgoing | None:
        row = self.deliveries[lease.delivery_id]
        if row.lease != lease.token:
            return None
        page = self.pages[row.page_id]
        stop = why_not(row.facts, answered=page.answered, over=page.over)
        if stop is not None:
            if stop is not Stop.DECIDED:
                row.facts = replace(row.facts, state=DELIVERY.move(row.facts.state, DeliveryState.CANCELLED))
            row.facts = replace(row.facts, due_at=None)
            row.lease = row.lease_until = None
            return None
        row.facts = replace(row.facts, tries=row.facts.tries + 1, first_tried_at=row.facts.first_tried_at or now)
        row.lease_until = now + LEASE
        return Outgoing(
            row.facts.id, page.id, row.facts.user_id, row.method_id, row.kind, row.facts.message, row.tier, row.via
        )

    def finish_send(self, lease: DeliveryLease, outcome: Outcome, now: datetime, after: After) -> None:
        row = self.deliveries[lease.delivery_id]
        if row.lease != lease.token:
            if outcome.kind is OutcomeKind.ACCEPTED and row.facts.state is DeliveryState.PENDING:
                verdict = Verdict(DeliveryState.ACCEPTED, None, row.facts.ambiguous, nudge=True)
                self._end_try(row, verdict, outcome, now)
            return
        others = [
            d.facts
            for d in self._of(row.page_id)
            if d is not row and (d.facts.user_id, d.facts.step) == (row.facts.user_id, row.facts.step)
        ]
        self._end_try(row, after(outcome, row.facts, others, now), outcome, now)

    def _end_try(self, row: MemoryDelivery, verdict: Verdict, outcome: Outcome, now: datetime) -> None:
        page = self.pages[row.page_id]
        first_try = row.facts.tries == 1
        state = row.facts.state if verdict.state is row.facts.state else DELIVERY.move(row.facts.state, verdict.state)
        row.facts = replace(
            row.facts,
            state=state,
            ambiguous=verdict.ambiguous,
            due_at=verdict.due_at,
            accepted_at=now if state is DeliveryState.ACCEPTED else None,
        )
        row.lease = row.lease_until = None
        if verdict.pull is not None:
            pulled = self.deliveries[verdict.pull]
            if pulled.facts.state is DeliveryState.PENDING:
                pulled.facts = replace(pulled.facts, due_at=now)
        if verdict.nudge and page.state is PageState.RINGING:
            page.due_at = now
        happened = record.of_verdict(
            verdict, outcome, way=row.kind, person=(row.facts.user_id, ""), tries=row.facts.tries, first_try=first_try
        )
        self.events.extend(Happened(now, page.id, event.kind) for event in happened)

    # --- what other rooms do ---

    def _of(self, page_id: int) -> list[MemoryDelivery]:
        return [row for row in self.deliveries.values() if row.page_id == page_id]

    def look_again(self, page_id: int, now: datetime) -> None:
        page = self.pages[page_id]
        if page.state is not PageState.STOPPED:
            page.due_at, page.attempts = now, 0

    def ring(self, page_id: int, now: datetime, *, for_help: bool) -> None:
        page = self.pages[page_id]
        if page.state is PageState.STOPPED:
            return
        page.state = PageState.RINGING
        page.for_help = page.for_help or for_help
        page.escalate_step = page.step
        self.look_again(page_id, now)

    def next_due(self) -> datetime | None:
        """When something is due next, claims at the end of their lease."""
        times = []
        for row in (*self.pages.values(), *self.deliveries.values()):
            due_at = row.due_at if isinstance(row, MemoryPage) else row.facts.due_at
            if due_at is not None:
                times.append(max(due_at, row.lease_until) if row.lease_until else due_at)
        return min(times, default=None)
