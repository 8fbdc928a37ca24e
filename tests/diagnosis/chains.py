"""Generated call graphs with faults whose truth is known, and a strict score.

A case is a random graph of services, their traffic for a few minutes, and one to three faults that begin at
one moment. Spans arrive as exporters send them: in batches by instance, late, from hosts whose clocks differ,
in hard cases with lost batches. What is decidable is settled here beforehand: every cause makes at least ten
recorded requests fail, causes lie in different services, and whoever carries a failure that only the caller
can see records spans.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hemostat.diagnosis.rules.evidence import Evidence, Stretch
from hemostat.diagnosis.rules.rank import ALL_RULES, Finding, Rules, rank
from hemostat.intake.readings import ExceptionReading, SpanKind, SpanReading
from hemostat.intake.rules.attribution import BUCKET_S, Attribution
from hemostat.intake.rules.tally import Tally

MAX_FAN_OUT = 10
EPOCH = 1_800_000_000
MS = 1_000_000
KINDS = (
    "internal",
    "crash",
    "refused",
    "store_timeout",
    "timeout",
    "result",
    "pool",
    "exhaust",
    "store_exhaust",
)
EXCEPTIONS = (
    "ValueError",
    "KeyError",
    "TypeError",
    "NullPointerException",
    "AssertionError",
    "IllegalStateException",
)


@dataclass(eq=False)
class Service:
    """A service, or a store (which never records)."""

    name: str
    address: str
    store: bool = False
    records: bool = True
    tells_exceptions: bool = True
    instances: int = 2


@dataclass(eq=False)
class Call:
    """A place in an operation where another is called."""

    target: Operation
    retries: int
    patience: float
    """milliseconds"""
    weak: bool
    parallel: bool
    inside: bool
    """below an internal span"""


@dataclass(eq=False)
class Operation:
    """What a service can be asked for."""

    service: Service
    method: str
    route: str
    own_ms: float
    calls: list[Call] = field(default_factory=list)
    noise: float = 0.0
    noise_code: int = 500
    publishes: bool = False

    @property
    def name(self) -> str:
        """The entry method."""
        return self.method if self.service.store else f"{self.method} {self.route}"


@dataclass(frozen=True)
class Fault:
    """Something breaks at the onset."""

    kind: str
    service: Service
    operation: Operation | None
    """None: all of them"""
    share: float
    ms: float = 0.0
    error: str = ""

    def hits(self, operation: Operation, rng: random.Random) -> bool:
        """Whether it strikes this call."""
        if self.operation is not operation and (self.operation is not None or self.service is not operation.service):
            return False
        return rng.random() < self.share


@dataclass
class Outcome:
    """How an operation or call ended."""

    end: float
    code: int = 200
    error: str = ""
    message: str = ""
    fault: Fault | None = None
    """because of which it failed, None: noise, or it did not"""
    path: tuple[str, ...] = ()
    slow: tuple[Fault, tuple[str, ...]] | None = None
    """a fault that took time on the way, and the path to it"""

    @property
    def failed(self) -> bool:
        """Whether the caller did not get what it asked for."""
        return self.code >= 400 or bool(self.error)


@dataclass
class Case:
    """A generated case: batches as they arrive, and the truth."""

    batches: list[tuple[float, list[SpanReading]]]
    """arrival, spans"""
    onset: float
    end: float
    causes: dict[str, tuple[Fault, int]]
    """by service: fault and how many recorded requests it failed"""
    edges: Counter[tuple[str, str]]
    aliases: dict[str, str]
    """address by which a service that records nothing may be named"""
    hidden: frozenset[str]
    spans: int


class World:
    """A graph of services and a simulation of its traffic."""

    def __init__(self, rng: random.Random, size: int, *, hard: bool, noise: float = 1.0) -> None:
        self.rng = rng
        self.hard = hard
        self.services: list[Service] = []
        self.operations: list[list[Operation]] = []
        for i in range(size):
            name = f"{rng.choice(['cart', 'pay', 'user', 'stock', 'mail', 'rate', 'tax', 'geo'])}-{i}"
            self.services.append(
                Service(
                    name,
                    self._address(name, i),
                    records=i < 2 or rng.random() > 0.08,
                    tells_exceptions=not hard or rng.random() > 0.2,
                    instances=rng.randint(1, 3),
                )
            )
            self.operations.append(
                [
                    Operation(
                        self.services[-1],
                        rng.choice(["GET", "POST"]),
                        f"/{name}/{verb}" + ("/{id}" if rng.random() < 0.5 else ""),
                        rng.uniform(1, 15),
                    )
                    for verb in rng.sample(["list", "make", "find", "check"], rng.randint(1, 3))
                ]
            )
        self.entries = [op for ops in self.operations[: 1 + (size > 12)] for op in ops]
        self.stores: list[Operation] = []
        self._connect(size)
        self._prune()
        self._patience()
        for op in self.all_operations():
            if rng.random() < 0.35:
                op.noise = rng.uniform(0.002, 0.04) * noise
                op.noise_code = rng.choice([500, 503, 400, 404, 409])
                if op in self.entries:
                    op.noise /= 4

    def _address(self, name: str, i: int) -> str:
        if self.hard and self.rng.random() < 0.25:
            return f"10.1.{i // 250}.{i % 250 + 1}"
        return name if self.rng.random() < 0.5 else f"{name}.shop.svc.cluster.local"

    def all_operations(self) -> Iterator[Operation]:
        """Operations of services, not of stores."""
        for ops in self.operations:
            yield from ops

    def _connect(self, size: int) -> None:
        rng = self.rng
        reached: set[int] = {0}
        for i in range(size):
            for op in self.operations[i]:
                below = range(i + 1, min(size, i + 2 + size // 3))
                wanted = rng.choice([1, 2, 3]) if i == 0 else rng.choice([0, 1, 1, 1, 2])
                for j in rng.sample(below, min(len(below), wanted)):
                    self._call(op, rng.choice(self.operations[j]))
                    reached.add(j)
            if self.services[i].records and rng.random() < 0.4:
                store = Service(f"{self.services[i].name}-db", "", store=True, records=False)
                store.address = store.name if rng.random() < 0.7 else f"{store.name}.internal"
                for verb in ("SELECT", "INSERT"):
                    access = Operation(store, verb, "", rng.uniform(0.5, 6))
                    self.stores.append(access)
                    for op in self.operations[i]:
                        if rng.random() < 0.6:
                            self._call(op, access)
        for j in range(1, size):
            if j not in reached:
                callers = [op for ops in self.operations[max(0, j - 4) : j] for op in ops]
                self._call(rng.choice(callers), rng.choice(self.operations[j]))
        for op in self.all_operations():
            op.publishes = rng.random() < 0.08

    def _call(self, op: Operation, target: Operation) -> None:
        rng = self.rng
        op.calls.append(
            Call(
                target,
                retries=rng.choice([0, 0, 1, 2]),
                patience=0.0,
                weak=not target.service.store and rng.random() < 0.15,
                parallel=self.hard and rng.random() < 0.25,
                inside=self.hard and rng.random() < 0.3,
            )
        )

    def _prune(self) -> None:
        """Drop calls where a request would fan out into too many spans."""
        spans: dict[int, int] = {}
        for ops in reversed(self.operations):
            for op in ops:
                total = 1
                for call in list(op.calls):
                    more = 1 + spans.get(id(call.target), 1)
                    if total + more > MAX_FAN_OUT:
                        op.calls.remove(call)
                    else:
                        total += more
                spans[id(op)] = total

    def _patience(self) -> None:
        usual: dict[int, float] = {}

        def time_of(op: Operation) -> float:
            if id(op) not in usual:
                usual[id(op)] = op.own_ms + sum(time_of(c.target) + 3 for c in op.calls)
            return usual[id(op)]

        for op in self.all_operations():
            for call in op.calls:
                call.patience = max(300.0, 6 * time_of(call.target))

    def callers(self, target: Operation) -> list[tuple[Operation, Call]]:
        """Who calls an operation."""
        return [(op, c) for op in self.all_operations() for c in op.calls if c.target is target]

    def below(self, tops: list[Operation]) -> list[Operation]:
        """All operations that these lead to."""
        found: dict[int, Operation] = {}
        queue = list(tops)
        while queue:
            for call in queue.pop().calls:
                if id(call.target) not in found:
                    found[id(call.target)] = call.target
                    queue.append(call.target)
        return list(found.values())

    def reached(self) -> set[int]:
        """Ids of the operations whose failure reaches an entry: called from there, by no weak call."""
        found: set[int] = set()
        below = list(self.entries)
        while below:
            op = below.pop()
            if id(op) not in found:
                found.add(id(op))
                below += [c.target for c in op.calls if not c.weak]
        return found

    # Traffic

    def request(self, at: float, faults: list[Fault], out: list[tuple[Service, int, SpanReading]]) -> Outcome:
        """One request from outside at `at` (ms since the epoch); its spans go to `out`."""
        self._trace = self.rng.randbytes(16)
        self._host: dict[str, int] = {}
        self._faults = faults
        self._out = out
        return self._serve(self.rng.choice(self.entries), at, b"")

    def _span(
        self, service: Service, kind: SpanKind, parent: bytes, start: float, outcome: Outcome, **more: Any
    ) -> bytes:
        host = self._host.setdefault(service.name, self.rng.randrange(service.instances))
        skew = self._skew(service, host)
        raised = None
        if outcome.error and service.tells_exceptions:
            raised = ExceptionReading(outcome.error, outcome.message)
        span_id = more.pop("span_id", None) or self.rng.randbytes(8)
        failed = bool(outcome.error) or outcome.code >= 500 or (kind is SpanKind.CLIENT and outcome.failed)
        reading = SpanReading(
            trace_id=self._trace,
            span_id=span_id,
            parent_id=parent,
            kind=kind,
            start_ns=int((start + skew) * MS),
            end_ns=int((outcome.end + skew) * MS),
            environment="production",
            app_id=service.name,
            failed=failed,
            exception=raised,
            **more,
        )
        self._out.append((service, host, reading))
        return span_id

    def _skew(self, service: Service, host: int) -> float:
        return (hash((service.name, host)) % 1000 - 500) if self.hard else 0.0

    def _serve(self, op: Operation, start: float, parent: bytes) -> Outcome:
        """Run an operation; records its server span where its service records."""
        service = op.service
        span_id = self.rng.randbytes(8) if service.records else parent
        outcome = self._work(op, start, span_id)
        if op.publishes and service.records:
            self._publish(op, outcome.end, span_id)
        if service.records:
            self._span(
                service,
                SpanKind.SERVER,
                parent,
                start,
                outcome,
                name=op.name,
                entry=op.name,
                http_code=outcome.code,
                span_id=span_id,
            )
        return outcome

    def _publish(self, op: Operation, at: float, parent: bytes) -> None:
        sent = self._span(
            op.service, SpanKind.PRODUCER, parent, at - 1, Outcome(at), name="send jobs", peer="jobs-queue"
        )
        self._span(op.service, SpanKind.CONSUMER, sent, at + 40, Outcome(at + 60), name="jobs", entry="jobs process")

    def _work(self, op: Operation, start: float, span_id: bytes) -> Outcome:
        rng, service = self.rng, op.service
        here = (service.name,)
        now = start + op.own_ms * rng.lognormvariate(0, 0.3) / 2
        slow: tuple[Fault, tuple[str, ...]] | None = None
        for fault in self._faults:
            if fault.kind in ("internal", "pool") and fault.hits(op, rng):
                now += rng.uniform(100, 1000) if fault.kind == "pool" else 0
                return Outcome(now, 500, fault.error, "cannot go on", fault, here, slow)
            if fault.kind in ("timeout", "exhaust") and fault.hits(op, rng):
                now += fault.ms * rng.uniform(0.9, 1.1)
                slow = (fault, here)
        if rng.random() < op.noise:
            error = "UsualError" if op.noise_code >= 500 else ""
            return Outcome(now, op.noise_code, error, "as every day", slow=slow)
        groups: list[list[Call]] = []
        for call in op.calls:
            if call.parallel and groups and groups[-1][0].parallel:
                groups[-1].append(call)
            else:
                groups.append([call])
        for group in groups:
            results = []
            for call in group:
                if (starving := self._starved_by(call, service)) is not None:
                    end, path = now + rng.uniform(100, 300), (*here, starving.service.name)
                    return Outcome(end, 500, "PoolTimeoutError", "no free connection", starving, path, slow)
                results.append((call, self._call_out(op, call, now, span_id)))
            now = max(result.end for _, result in results)
            for _, result in results:
                if result.slow is not None:
                    slow = (result.slow[0], (*here, *result.slow[1]))
            bad = [(c, r) for c, r in results if r.failed and not c.weak]
            if bad:
                call, result = min(bad, key=lambda cr: cr[1].end)
                code = rng.choice([500, 502, 503]) if result.code >= 500 or not result.code else result.code
                error = "UpstreamError" if code >= 500 else ""
                names = rng.random() < 0.3
                message = f"call to {call.target.service.name} failed" if names else "upstream failed"
                return Outcome(now + 0.5, code, error, message, result.fault, (*here, *result.path), slow)
            for call, result in results:
                for fault in self._faults:
                    able = service.records and service.tells_exceptions
                    if (
                        fault.kind == "result"
                        and able
                        and not result.failed
                        and not call.weak
                        and fault.hits(call.target, rng)
                    ):
                        name = call.target.service.name
                        message = f"unexpected answer from {name}"
                        return Outcome(now + 0.5, 500, "BadAnswerError", message, fault, (*here, name), slow)
        return Outcome(now + op.own_ms / 2, slow=slow)

    def _starved_by(self, call: Call, caller: Service) -> Fault | None:
        """A fault that keeps all connections to a callee busy, where that is what this call meets."""
        if call.weak or not caller.tells_exceptions:
            return None
        for fault in self._faults:
            if fault.kind.endswith("exhaust") and fault.hits(call.target, self.rng) and self.rng.random() < 0.5:
                return fault
        return None

    def _call_out(self, op: Operation, call: Call, start: float, parent: bytes) -> Outcome:
        rng = self.rng
        caller, target = op.service, call.target
        if call.inside and caller.records:
            inner = rng.randbytes(8)
            outcome = self._attempts(op, call, start, inner)
            self._span(
                caller,
                SpanKind.INTERNAL,
                parent,
                start,
                Outcome(outcome.end),
                name=f"do {target.name}",
                span_id=inner,
            )
            return outcome
        return self._attempts(op, call, start, parent)

    def _attempts(self, op: Operation, call: Call, start: float, parent: bytes) -> Outcome:
        rng = self.rng
        outcome = Outcome(start)
        for attempt in range(call.retries + 1):
            begin = outcome.end + (10 * attempt if attempt else 0)
            outcome = self._attempt(op, call, begin, parent)
            if not outcome.failed:
                break
            if outcome.code in (400, 404, 409):
                break
        return replace(outcome, end=outcome.end + rng.uniform(0, 0.2))

    def _attempt(self, op: Operation, call: Call, start: float, parent: bytes) -> Outcome:
        rng = self.rng
        caller, target = op.service, call.target
        span_id = rng.randbytes(8) if caller.records else parent
        answer = self._answer(call, start + rng.uniform(0.2, 1.0), span_id)
        took = answer.end + rng.uniform(0.2, 1.0) - start
        outcome = replace(answer, end=start + took)
        if took > call.patience:
            fault, path = answer.slow if answer.slow else (answer.fault, answer.path)
            outcome = Outcome(start + call.patience, 0, "TimeoutError", "timed out", fault, path, answer.slow)
        elif answer.code >= 400 and not target.service.store and not answer.error.startswith("Connect"):
            outcome = replace(outcome, error=f"HTTP{answer.code}" if rng.random() < 0.5 else "", message="")
        if caller.records:
            self._span(
                caller,
                SpanKind.CLIENT,
                parent,
                start,
                outcome,
                span_id=span_id,
                peer=target.service.address,
                **self._call_name(target),
                http_code=outcome.code if not target.service.store else 0,
            )
        return outcome

    def _call_name(self, target: Operation) -> dict[str, str]:
        if target.service.store:
            return {"name": target.method, "peer_operation": target.method}
        path = target.route
        if self.hard and "{id}" in path:
            path = path.replace("{id}", str(self.rng.randrange(10**6)))
        return {
            "name": target.method if self.hard else target.name,
            "peer_operation": f"{target.method} {path}",
        }

    def _answer(self, call: Call, at: float, span_id: bytes) -> Outcome:
        rng, target = self.rng, call.target
        service = target.service
        for fault in self._faults:
            if fault.kind in ("crash", "refused") and fault.hits(target, rng):
                return Outcome(at + 0.3, 0, fault.error, "connection refused", fault, (service.name,))
        if not service.store:
            return self._serve(target, at, span_id)
        end = at + target.own_ms * rng.lognormvariate(0, 0.3)
        slow = None
        for fault in self._faults:
            if fault.kind in ("store_timeout", "store_exhaust") and fault.hits(target, rng):
                end += fault.ms
                slow = (fault, (service.name,))
        return Outcome(end, slow=slow)


def choose_fault(world: World, kind: str) -> Fault | None:
    """A fault of a kind where it can be seen, None where the world has no such place."""
    rng = world.rng
    reached = world.reached()
    visible = [op for op in world.all_operations() if op.service.records and id(op) in reached]
    share = rng.uniform(0.3, 1.0)
    strong = [
        op
        for op in visible
        if op not in world.entries
        and any(not c.weak and o.service.records and id(o) in reached for o, c in world.callers(op))
    ]
    named = [
        op
        for op in strong
        if any(o.service.tells_exceptions and o.service.records and id(o) in reached for o, _ in world.callers(op))
    ]
    stores = [s for s in world.stores if id(s) in reached]
    match kind:
        case "internal":
            op = rng.choice(visible)
            return Fault(kind, op.service, op, share, error=rng.choice(EXCEPTIONS))
        case "pool":
            op = rng.choice(visible)
            return Fault(kind, op.service, op, share, error="ConnectionPoolExhausted")
        case "crash" if strong:
            op = rng.choice(strong)
            return Fault(kind, op.service, None, share, error="ConnectError")
        case "refused" if stores:
            return Fault(kind, rng.choice(stores).service, None, share, error="ConnectionRefusedError")
        case "timeout" if strong:
            op = rng.choice(strong)
            patience = max(c.patience for _, c in world.callers(op))
            return Fault(kind, op.service, op, share, ms=patience * 1.5)
        case "store_timeout" if stores:
            op = rng.choice(stores)
            return Fault(kind, op.service, op, share, ms=1.5 * max(c.patience for _, c in world.callers(op)))
        case "exhaust" if strong:
            op = rng.choice(strong)
            return Fault(kind, op.service, op, share, ms=0.5 * min(c.patience for _, c in world.callers(op)))
        case "store_exhaust" if stores:
            op = rng.choice(stores)
            return Fault(kind, op.service, op, share, ms=0.5 * min(c.patience for _, c in world.callers(op)))
        case "result" if named:
            op = rng.choice(named)
            return Fault(kind, op.service, op, share)
    return None


def generate(
    seed: int,
    *,
    size: int | None = None,
    hard: bool | None = None,
    causes: int | None = None,
    rate: float = 12.0,
    before_s: int = 120,
    after_s: int = 90,
    noise: float = 1.0,
) -> Case | None:
    """The case of a seed, None where it is not decidable. `causes=0` gives a case without a fault."""
    rng = random.Random(seed)
    hard = rng.random() < 0.5 if hard is None else hard
    size = size or rng.choice([5, 8, 12, 20, 40, 60])
    world = World(rng, size, hard=hard, noise=noise)
    number = rng.choice([1, 1, 1, 2, 2, 3]) if causes is None else causes
    faults: list[Fault] = []
    for _ in range(30):
        if len(faults) == number:
            break
        fault = choose_fault(world, rng.choice(KINDS))
        if fault and all(fault.service is not f.service for f in faults):
            faults.append(fault)
    if len(faults) < number or not _decidable(world, faults):
        return None
    return _traffic(world, faults, rate, before_s, after_s)


def _decidable(world: World, faults: list[Fault]) -> bool:
    """Whether no fault may be taken for the consequence of another: a full pool, or slowness, above
    something slow.
    """
    slow = ("timeout", "exhaust", "store_timeout", "store_exhaust")
    for above in faults:
        if above.kind != "pool" and above.kind not in slow:
            continue
        below = world.below([op for op in world.all_operations() if op.service is above.service])
        if any(f is not above and f.kind in slow and any(op.service is f.service for op in below) for f in faults):
            return False
    return True


def _traffic(world: World, faults: list[Fault], rate: float, before_s: int, after_s: int) -> Case | None:
    rng = world.rng
    begin = EPOCH + rng.uniform(0, 10)
    onset, end = begin + before_s, begin + before_s + after_s
    spans: list[tuple[Service, int, SpanReading]] = []
    hits: Counter[str] = Counter()
    edges: Counter[tuple[str, str]] = Counter()
    faulty: dict[str, Fault] = {}
    surge = rng.uniform(0.6, 1.6) if world.hard else 1.0
    at = begin
    while at < end:
        broken = at >= onset
        at += rng.expovariate(rate * (surge if broken else 1.0))
        outcome = world.request(at * 1000, faults if broken else [], spans)
        if outcome.failed and outcome.code >= 500 and outcome.fault:
            hits[outcome.fault.service.name] += 1
            faulty[outcome.fault.service.name] = outcome.fault
            edges.update(set(zip(outcome.path, outcome.path[1:], strict=False)))
    if any(hits[f.service.name] < 10 for f in faults):
        return None
    services = {op.service for op in [*world.all_operations(), *world.stores]}
    return Case(
        batches=list(_deliver(spans, world)),
        onset=onset,
        end=end,
        causes={name: (faulty[name], hits[name]) for name in hits},
        edges=edges,
        aliases={s.address: s.name for s in services},
        hidden=frozenset(s.name for s in services if not s.records),
        spans=len(spans),
    )


def _deliver(spans: list[tuple[Service, int, SpanReading]], world: World) -> Iterator[tuple[float, list[SpanReading]]]:
    """Batches as exporters send them: every five seconds by instance, what has ended, with a delay."""
    rng = world.rng
    phases: dict[tuple[str, int], float] = {}
    batches: dict[tuple[str, int, int], list[SpanReading]] = {}
    for service, host, span in spans:
        phase = phases.setdefault((service.name, host), rng.uniform(0, 5))
        number = int((span.end_ns / 1e9 - phase) // 5)
        batches.setdefault((service.name, host, number), []).append(span)
    arrivals = []
    for (name, host, number), batch in batches.items():
        if world.hard and rng.random() < 0.015:
            continue
        delay = rng.expovariate(1 / 1.0) if world.hard else 0.1
        arrivals.append(((number + 1) * 5 + phases[(name, host)] + delay, batch))
    yield from sorted(arrivals, key=lambda a: a[0])


# Running and scoring


def stream(case: Case, until: float | None = None) -> dict[tuple[int, str], dict[str, Any]]:
    """The rows that the intake would have written by `until` (default: after everything was counted)."""
    attribution = Attribution()
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    clock = case.batches[0][0]
    stop = until if until is not None else case.batches[-1][0]

    def take(now: float) -> None:
        for counter in attribution.take(now):
            rows[(counter.bucket_s, counter.key)] = counter.payload

    for arrival, batch in case.batches:
        if arrival > stop:
            break
        while clock + 1 <= arrival:
            clock += 1
            take(clock)
        attribution.add(batch, arrival)
    take(stop)
    if until is None:
        for counter in attribution.flush(stop + 60):
            rows[(counter.bucket_s, counter.key)] = counter.payload
    return rows


def window(rows: dict[tuple[int, str], dict[str, Any]]) -> list[Stretch]:
    """The rows as a window of ten-second stretches."""
    tallies: dict[int, Tally] = {}
    for (bucket, key), payload in rows.items():
        tallies.setdefault(bucket, Tally()).absorb(key, payload)
    return [Stretch(bucket, BUCKET_S, tally) for bucket, tally in sorted(tallies.items())]


@dataclass
class Score:
    """How one answer compares with the truth."""

    first: bool
    operation: bool
    exact: bool
    path_right: int
    path_named: int
    path_true: int
    finding: Finding
    named: list[str]


def edges_of(evidence: Evidence, finding: Finding) -> set[tuple[str, str]]:
    """The call edges of the answer's path, by service."""
    from hemostat.diagnosis.rules.tree import path_edges

    return {edge for edge, _ in path_edges(evidence, finding)}


def score(case: Case, stretches: list[Stretch], *, rules: Rules = ALL_RULES, since: float | None = None) -> Score:
    """Ask the question and compare strictly."""
    evidence, finding = rank(stretches, since=since, rules=rules)
    named = [case.aliases.get(n.app_id, n.app_id) for n in finding.named]
    truth = set(case.causes)
    operation = False
    if named and named[0] in truth:
        fault = case.causes[named[0]][0]
        said = finding.named[0].main.leaf.node.operation
        operation = fault.operation is None or said == fault.operation.name
    edges = {(case.aliases.get(a, a), case.aliases.get(b, b)) for a, b in edges_of(evidence, finding)}
    neutral = {e for e, n in case.edges.items() if n < 3} | {
        e for e in {*edges, *case.edges} if e[0] in case.hidden and e[1] in case.hidden
    }
    edges -= neutral
    true_edges = set(case.edges) - neutral
    return Score(
        first=bool(named) and named[0] in truth,
        operation=operation,
        exact=set(named) == truth,
        path_right=len(edges & true_edges),
        path_named=len(edges),
        path_true=len(true_edges),
        finding=finding,
        named=named,
    )
