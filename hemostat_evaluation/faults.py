"""Faults that are switched on in a generated world, and what each does to a request."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from hemostat_evaluation.world import Operation, Service, World


class FaultKind(StrEnum):
    """How something breaks."""

    INTERNAL = "internal"
    """its own logic raises"""
    REFUSED = "refused"
    """nobody listens: connections are refused"""
    STORE_REFUSED = "store_refused"
    TIMEOUT = "timeout"
    """it takes longer than its callers' patience"""
    STORE_TIMEOUT = "store_timeout"
    RESULT = "result"
    """it answers at once, wrongly; the caller notices and says so"""
    POOL = "pool"
    """its own pool of connections or workers is exhausted"""
    EXHAUST = "exhaust"
    """it is slow within patience; the pools of its callers run empty"""


MUST_SHOW = 18
"""Failing requests that a fault must be expected to cause to be drawn at all."""
EXCEPTIONS = ("ValueError", "KeyError", "NullPointerException", "IllegalStateException", "TypeError", "AssertionError")


@dataclass(eq=False)
class Fault:
    """One fault: where, what, how often, and from when on (seconds since the case began)."""

    kind: FaultKind
    service: Service
    operation: Operation | None
    """None: all operations of the service"""
    share: float
    onset_s: float
    exception: str = ""

    def hits(self, operation: Operation, at_s: float, rng: random.Random) -> bool:
        """Whether this call of `operation` suffers from it."""
        if at_s < self.onset_s or operation.service is not self.service:
            return False
        return (self.operation is None or operation is self.operation) and rng.random() < self.share


def failing_share(fault: Fault, operation: Operation, memo: dict[Operation, float]) -> float:
    """The share of calls of `operation` that fail because of `fault`, worked out from the graph."""
    if operation in memo:
        return memo[operation]
    if operation.service is fault.service and fault.operation in {None, operation}:
        memo[operation] = fault.share
        return fault.share
    survives = 1.0
    for step in operation.steps:
        if not step.weak and not step.asynchronous:
            survives *= 1 - step.probability * failing_share(fault, step.callee, memo) ** step.attempts
    if fault.kind is FaultKind.EXHAUST and any(s.callee is fault.operation for s in operation.steps):
        survives *= 1 - 0.5 * fault.share
    memo[operation] = 1 - survives
    return 1 - survives


def shows(fault: Fault, world: World, requests: float) -> float:
    """How many recorded requests at the entries will fail because of `fault`, of `requests` in all."""
    memo: dict[Operation, float] = {}
    mean = sum(failing_share(fault, entry, memo) for entry in world.entries) / len(world.entries)
    return requests * world.sampling * mean


def draw(rng: random.Random, world: World, onset_s: float, taken: set[Service], requests: float) -> Fault | None:
    """Draw a fault of a service that is not `taken` and that will show in enough of `requests`; None when none does.

    What callers see hits no service with an entry (nobody is there to see it), and some caller records spans.
    """
    recorded_callers = {
        step.callee
        for s in world.services
        if s.records
        for op in s.operations
        for step in op.steps
        if not step.asynchronous
    }
    found: list[Fault] = []
    for kind in FaultKind:
        store = kind in {FaultKind.STORE_REFUSED, FaultKind.STORE_TIMEOUT}
        behind = kind not in {FaultKind.INTERNAL, FaultKind.POOL}
        for service in world.services:
            if service.is_store != store or service in taken or not (store or service.records):
                continue
            if behind and any(op in world.entries for op in service.operations):
                continue
            whole = kind in {FaultKind.REFUSED, FaultKind.STORE_REFUSED}
            operations: list[Operation | None] = [None] if whole else list(service.operations)
            exception = "PoolTimeoutError" if kind is FaultKind.POOL else rng.choice(EXCEPTIONS)
            for operation in operations:
                if behind and not recorded_callers & set([operation] if operation else service.operations):
                    continue
                fault = Fault(kind, service, operation, rng.choice((0.3, 0.6, 0.9, 1.0)), onset_s, exception)
                if shows(fault, world, requests) >= MUST_SHOW:
                    found.append(fault)
    if not found:
        return None
    kind = rng.choice(sorted({f.kind for f in found}))
    return rng.choice([f for f in found if f.kind is kind])
