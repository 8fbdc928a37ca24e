"""Random call graphs: services, their operations, and what each operation calls. Drawn once a case, then only used."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

VERBS = ("GET", "GET", "GET", "POST", "PUT")
NOUNS = [
    "items",
    "orders",
    "users",
    "carts",
    "prices",
    "stocks",
    "quotes",
    "routes",
    "offers",
    "bills",
    "claims",
    "notes",
    "tasks",
    "files",
    "media",
    "plans",
    "rates",
    "seats",
    "slots",
    "rooms",
    "trips",
    "fares",
    "coins",
    "gifts",
    "labels",
    "pages",
    "teams",
    "polls",
    "votes",
    "terms",
    "leads",
    "deals",
    "goods",
    "parts",
    "tools",
    "units",
]


MAX_SPANS = 40
"""Spans a request makes at most, on average."""


@dataclass(eq=False)
class Step:
    """One call that an operation makes; steps of one `group` run at the same time."""

    callee: Operation
    group: int
    weak: bool = False
    """a failure of it is swallowed"""
    attempts: int = 1
    patience_ms: float = 0.0
    """after which the caller gives up; at least four times the healthy duration"""
    probability: float = 1.0
    asynchronous: bool = False
    """a message: the caller does not wait for its consumer"""
    by_method_only: bool = False
    """the client span is named by its method alone"""


@dataclass(eq=False)
class Operation:
    """An entry method of a service (or what is asked of a store)."""

    service: Service
    method: str
    route: str
    own_ms: float
    steps: list[Step] = field(default_factory=list)
    healthy_ms: float = 0.0
    noise: float = 0.0
    """share of requests that fail here always, fault or not"""
    noise_code: int = 500
    internal_spans: bool = False

    @property
    def name(self) -> str:
        """The entry method as OpenTelemetry would name it."""
        return self.method if self.service.is_store else f"{self.method} {self.route}"


@dataclass(eq=False)
class Service:
    """A service or a store."""

    name: str
    is_store: bool = False
    records: bool = True
    """whether it is instrumented; a store never is"""
    events: bool = True
    """whether its failing spans carry exception events"""
    hosts: tuple[str, ...] = ()
    skew_ms: dict[str, float] = field(default_factory=dict)
    address: str = ""
    operations: list[Operation] = field(default_factory=list)
    consumes: bool = False


@dataclass(eq=False)
class World:
    """A call graph and the entries by which requests come in."""

    services: list[Service]
    entries: list[Operation]
    hard: bool
    sampling: float

    @property
    def stores(self) -> list[Service]:
        """The stores."""
        return [s for s in self.services if s.is_store]


@dataclass(frozen=True)
class Shape:
    """How worlds are drawn."""

    services: tuple[int, int] = (5, 60)
    hidden: float = 0.07
    """share of services without instrumentation"""
    noise: tuple[float, float] = (0.002, 0.04)
    noisy: float = 0.3
    """share of operations that always fail a little"""
    hard: float = 0.5


def draw(rng: random.Random, shape: Shape) -> World:
    """Draw a world: services in layers, calls from a layer to later ones only, so that no request runs in a circle."""
    count = rng.randint(*shape.services)
    hard = rng.random() < shape.hard
    names = rng.sample(range(100, 999), count)
    services: list[Service] = []
    for number in names:
        name = f"svc-{number}"
        service = Service(name, records=True, events=not (hard and rng.random() < 0.15))
        service.hosts = tuple(f"{name}-{i}" for i in range(rng.randint(1, 3)))
        service.skew_ms = {host: rng.uniform(-500, 500) for host in service.hosts}
        service.address = (
            f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{number % 255}" if hard and rng.random() < 0.1 else name
        )
        services.append(service)
    stores = [_store(rng, i, hard) for i in range(max(1, count // 4))]
    for service in services:
        for noun in rng.sample(NOUNS, rng.randint(1, 3)):
            route = f"/{noun}" if rng.random() < 0.5 else f"/{noun}/{{id}}"
            operation = Operation(service, rng.choice(VERBS), route, rng.lognormvariate(1.2, 0.6))
            operation.internal_spans = hard and rng.random() < 0.2
            if rng.random() < shape.noisy:
                operation.noise = rng.uniform(*shape.noise)
                operation.noise_code = 500 if rng.random() < 0.4 else rng.choice((400, 404, 409, 422))
            service.operations.append(operation)
    _connect(rng, services, stores, hard)
    entries = [op for s in services[: max(1, count // 12)] for op in s.operations]
    for service in services[max(1, count // 12) :]:
        if rng.random() < shape.hidden:
            service.records = False
    for operation in reversed([op for s in services for op in s.operations]):
        _keep_small(operation, MAX_SPANS)
    for operation in reversed([op for s in services for op in s.operations]):
        _settle(operation)
    sampling = 0.25 if rng.random() < 0.2 else 1.0
    return World([*services, *stores], entries, hard, sampling)


def _store(rng: random.Random, index: int, hard: bool) -> Service:
    name = f"store-{rng.randint(100, 999)}{index}"
    store = Service(name, is_store=True, records=False)
    store.address = f"10.9.{index // 250}.{index % 250}" if hard and rng.random() < 0.1 else name
    for method in rng.sample(("SELECT", "INSERT", "UPDATE", "DELETE"), rng.randint(1, 3)):
        store.operations.append(Operation(store, method, "", rng.lognormvariate(0.5, 0.5)))
    return store


def _connect(rng: random.Random, services: list[Service], stores: list[Service], hard: bool) -> None:
    count = len(services)
    edges = max(1, count // 12)
    for index, service in enumerate(services):
        later = services[max(index + 1, edges) : index + 1 + max(4, count // 3)]
        for operation in service.operations:
            group = 0
            for callee in rng.sample(later, min(len(later), rng.choice((0, 1, 1, 2, 2, 3)))):
                group += not (group and rng.random() < 0.3)
                operation.steps.append(_step(rng, rng.choice(callee.operations), group, hard))
            if rng.random() < 0.45 or not operation.steps:
                group += 1
                operation.steps.append(_step(rng, rng.choice(rng.choice(stores).operations), group, hard))
    # every service is reached: one that nobody calls is called by an earlier one
    called = {step.callee.service for s in services for op in s.operations for step in op.steps}
    for index, service in enumerate(services[edges:], edges):
        if service not in called:
            caller = rng.choice(rng.choice(services[:index]).operations)
            caller.steps.append(
                _step(rng, rng.choice(service.operations), 1 + max((s.group for s in caller.steps), default=0), hard)
            )


def _step(rng: random.Random, callee: Operation, group: int, hard: bool) -> Step:
    store = callee.service.is_store
    return Step(
        callee,
        group,
        weak=not store and rng.random() < 0.12,
        attempts=rng.choice((1, 1, 1, 2, 3)),
        probability=1.0 if rng.random() < 0.8 else rng.uniform(0.4, 0.9),
        asynchronous=not store and rng.random() < 0.05,
        by_method_only=hard and rng.random() < 0.3,
    )


def spans_of(operation: Operation) -> float:
    """How many spans a request of `operation` makes, on average."""
    return 1 + sum(
        s.probability * (1 + (0 if s.callee.service.is_store else spans_of(s.callee))) for s in operation.steps
    )


def _keep_small(operation: Operation, most: float) -> None:
    """Leave out calls until a request makes at most `most` spans: real requests touch a part of the graph only."""
    while len(operation.steps) > 1 and spans_of(operation) > most:
        operation.steps.remove(max(operation.steps, key=lambda s: spans_of(s.callee)))


def _settle(operation: Operation) -> None:
    """Work out how long an operation takes when all is well, and from that how patient its callers are."""
    groups: dict[int, float] = {}
    for step in operation.steps:
        if not step.callee.healthy_ms:
            _settle(step.callee)
        step.patience_ms = max(200.0, 5 * step.callee.healthy_ms)
        if not step.asynchronous:
            groups[step.group] = max(groups.get(step.group, 0.0), step.callee.healthy_ms)
    operation.healthy_ms = 2 * operation.own_ms + sum(groups.values()) + 1.0
