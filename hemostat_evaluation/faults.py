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


def draw(rng: random.Random, world: World, onset_s: float, taken: set[Service]) -> Fault | None:
    """Draw a fault of a service that is not `taken`; None when nothing fits the kind drawn."""
    kind = rng.choice(list(FaultKind))
    store = kind in {FaultKind.STORE_REFUSED, FaultKind.STORE_TIMEOUT}
    called = {step.callee for s in world.services for op in s.operations for step in op.steps}
    waited = {
        step.callee
        for s in world.services
        if s.records
        for op in s.operations
        for step in op.steps
        if not step.weak and not step.asynchronous
    }
    services = [
        s
        for s in world.services
        if s.is_store == store
        and s not in taken
        and (s.is_store or s.records)
        and any(op in waited or op in world.entries for op in s.operations)
    ]
    if kind in {FaultKind.REFUSED, FaultKind.TIMEOUT, FaultKind.RESULT, FaultKind.EXHAUST}:
        services = [s for s in services if not any(op in world.entries for op in s.operations)]
    if not services:
        return None
    service = rng.choice(services)
    whole = kind in {FaultKind.REFUSED, FaultKind.STORE_REFUSED}
    operations = [op for op in service.operations if op in waited or op in world.entries]
    operation = None if whole else rng.choice(operations)
    if operation is not None and operation not in called and operation not in world.entries:
        return None
    share = rng.choice((0.3, 0.6, 0.9, 1.0))
    exception = {FaultKind.POOL: "PoolTimeoutError"}.get(kind, rng.choice(EXCEPTIONS))
    return Fault(kind, service, operation, share, onset_s, exception)
