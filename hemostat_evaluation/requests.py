"""Running requests through a generated world and writing down the spans that its services would have sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from hemostat_evaluation.faults import Fault, FaultKind
from hemostat_evaluation.world import Operation, Service, Step, World

Edge = tuple[str, str]
NS = 1_000_000


@dataclass(slots=True)
class Span:
    """A span as sent; times in nanoseconds by the clock of its host."""

    service: str
    host: str
    trace: int
    id: int
    parent: int
    kind: int
    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int] = field(default_factory=dict)
    error: bool = False
    exception: tuple[str, str] | None = None
    true_end_ns: int = 0
    """by a clock that is right: when it can be exported"""


@dataclass
class Outcome:
    """How a call ended, and (for the truth) which faults made it fail along which edges."""

    end_ms: float
    code: int = 200
    label: str = ""
    faults: frozenset[Fault] = frozenset()
    edges: frozenset[Edge] = frozenset()
    wrong: Fault | None = None
    """answered, but wrongly"""

    @property
    def failed(self) -> bool:
        """Whether the caller sees a server error (4xx is business)."""
        return self.code >= 500 or self.code == 0


@dataclass
class _Trace:
    id: int
    kept: bool
    spans: list[Span] = field(default_factory=list)


class Runner:
    """Runs requests; everything random comes from one generator, so that a seed is a case."""

    def __init__(self, world: World, faults: list[Fault], rng: random.Random) -> None:
        self.world = world
        self.faults = faults
        self.rng = rng
        self._ids = 1

    def request(self, entry: Operation, at_ms: float) -> tuple[Outcome, list[Span]]:
        """One request from outside; the spans are empty when its trace is not sampled."""
        trace = _Trace(self.rng.getrandbits(127) + 1, self.rng.random() < self.world.sampling)
        outcome = self._serve(entry, trace, 0, at_ms, consumer=False)
        return outcome, trace.spans if trace.kept else []

    def _hit(self, operation: Operation, at_ms: float, *kinds: FaultKind) -> Fault | None:
        for fault in self.faults:
            if fault.kind in kinds and fault.hits(operation, at_ms / 1000, self.rng):
                return fault
        return None

    def _id(self) -> int:
        self._ids += 1
        return self._ids

    def _span(
        self, trace: _Trace, service: Service, host: str, parent: int, kind: int, name: str, start: float, span_id: int
    ) -> Span:
        skew = service.skew_ms[host]
        span = Span(service.name, host, trace.id, span_id, parent, kind, name, int((start + skew) * NS), 0)
        if service.records:
            trace.spans.append(span)
        return span

    def _end(self, span: Span, service: Service, end: float) -> None:
        span.end_ns = max(span.start_ns + 1000, int((end + service.skew_ms[span.host]) * NS))
        span.true_end_ns = int(end * NS)

    def _serve(self, operation: Operation, trace: _Trace, parent: int, start: float, *, consumer: bool) -> Outcome:
        """An operation of an application handles a request."""
        service = operation.service
        host = self.rng.choice(service.hosts)
        span_id = self._id() if service.records else parent
        kind = 5 if consumer else 2
        span = self._span(trace, service, host, parent, kind, operation.name, start, span_id)
        span.attributes = (
            {
                "messaging.system": "kafka",
                "messaging.destination.name": f"{service.name}.{operation.route.strip('/')}",
                "messaging.operation.type": "process",
            }
            if consumer
            else {"http.request.method": operation.method, "http.route": operation.route}
        )
        outcome, message = self._handle(operation, trace, span_id, host, start)
        if outcome.label and outcome.failed:
            span.error = True
            if service.events and outcome.label != "-":
                span.exception = (outcome.label, message)
        if not consumer:
            span.attributes["http.response.status_code"] = outcome.code or 500
        if operation.internal_spans and service.records:
            inner = self._span(trace, service, host, span_id, 1, f"handle {operation.route}", start, self._id())
            self._end(inner, service, outcome.end_ms)
        self._end(span, service, outcome.end_ms)
        return outcome

    def _handle(self, operation: Operation, trace: _Trace, parent: int, host: str, start: float) -> tuple[Outcome, str]:
        rng = self.rng
        own = operation.own_ms * rng.lognormvariate(0, 0.25)
        at = start + own
        if fault := self._hit(operation, start, FaultKind.POOL):
            at += rng.uniform(100, 1000)
            return Outcome(
                at, 500, fault.exception, frozenset([fault])
            ), "connection pool exhausted: no free connection"
        if fault := self._hit(operation, start, FaultKind.INTERNAL):
            return Outcome(at, 500, fault.exception, frozenset([fault])), f"cannot handle {rng.randint(1, 9999)}"
        if rng.random() < operation.noise:
            label = "BusinessError" if operation.noise_code >= 500 else ""
            return Outcome(at, operation.noise_code, label), "rule violated"
        if self._hit(operation, start, FaultKind.TIMEOUT):
            at += 8 * max(operation.healthy_ms, 40) * rng.uniform(1, 2)
        elif self._hit(operation, start, FaultKind.EXHAUST):
            at += 2.5 * max(operation.healthy_ms, 40)
        return self._calls(operation, trace, parent, host, at, own)

    def _calls(
        self, operation: Operation, trace: _Trace, parent: int, host: str, at: float, own: float
    ) -> tuple[Outcome, str]:
        rng = self.rng
        for fault in self.faults:
            # callers of something slow within patience: their workers are all waiting, new requests find none
            if fault.kind is FaultKind.EXHAUST and at / 1000 >= fault.onset_s + 2 and rng.random() < 0.5 * fault.share:
                step = next((s for s in operation.steps if s.callee is fault.operation and not s.asynchronous), None)
                if step is not None:
                    edge = (operation.service.name, fault.service.name)
                    return (
                        Outcome(
                            at + rng.uniform(100, 900), 500, "PoolTimeoutError", frozenset([fault]), frozenset([edge])
                        ),
                        "worker pool exhausted: no free worker",
                    )
        for group in sorted({s.group for s in operation.steps}):
            outcomes: list[tuple[Step, Outcome]] = []
            for step in operation.steps:
                if step.group == group and rng.random() < step.probability:
                    outcomes.append((step, self._call(operation, step, trace, parent, host, at)))
            waited = [o.end_ms for s, o in outcomes if not s.asynchronous]
            broken = [(s, o) for s, o in outcomes if not s.weak and not s.asynchronous and (o.failed or o.wrong)]
            if broken:
                step, first = min(broken, key=lambda pair: pair[1].end_ms)
                end = max(waited) if len(outcomes) > 1 else first.end_ms
                return self._give_up(operation, step, first, end + 0.3 * own)
            at = max([at, *waited]) + 0.2 * own
        return Outcome(at + 0.5 * own), ""

    def _give_up(self, operation: Operation, step: Step, inner: Outcome, at: float) -> tuple[Outcome, str]:
        callee = step.callee.service.name
        edge = (operation.service.name, callee)
        if inner.wrong is not None:
            faults: frozenset[Fault] = frozenset([inner.wrong])
            return Outcome(at, 500, "BadAnswerError", faults, frozenset([edge])), f"{callee} answered without a total"
        names = self.rng.random() < 0.5
        message = f"call to {callee} failed" if names else "upstream call failed"
        edges = inner.edges | {edge} if inner.faults else inner.edges
        return Outcome(at, 502 if inner.code else 504, "UpstreamError", inner.faults, edges), message

    def _call(self, caller: Operation, step: Step, trace: _Trace, parent: int, host: str, at: float) -> Outcome:
        if step.asynchronous:
            return self._publish(caller, step, trace, parent, host, at)
        outcome = Outcome(at)
        for attempt in range(step.attempts):
            outcome = self._attempt(caller, step, trace, parent, host, at)
            if not outcome.failed:
                return outcome
            if attempt + 1 < step.attempts:
                at = outcome.end_ms + 20 * 2**attempt
        return outcome

    def _publish(self, caller: Operation, step: Step, trace: _Trace, parent: int, host: str, at: float) -> Outcome:
        service = caller.service
        span_id = self._id() if service.records else parent
        topic = f"{step.callee.service.name}.{step.callee.route.strip('/')}"
        span = self._span(trace, service, host, parent, 4, f"{topic} publish", at, span_id)
        span.attributes = {"messaging.system": "kafka", "messaging.destination.name": topic}
        self._end(span, service, at + 1)
        self._serve(step.callee, trace, span_id, at + self.rng.uniform(2, 40), consumer=True)
        return Outcome(at + 1)

    def _attempt(self, caller: Operation, step: Step, trace: _Trace, parent: int, host: str, at: float) -> Outcome:
        callee, service, rng = step.callee, caller.service, self.rng
        span_id = self._id() if service.records else parent
        store = callee.service.is_store
        name = callee.method if store or step.by_method_only else callee.name
        span = self._span(trace, service, host, parent, 3, name, at, span_id)
        span.attributes = (
            {
                "db.system.name": "postgresql",
                "db.operation.name": callee.method,
                "server.address": callee.service.address,
            }
            if store
            else {
                "http.request.method": callee.method,
                "server.address": callee.service.address,
                "url.path": callee.route.replace("{id}", str(rng.randint(1, 99999))),
            }
        )
        if fault := self._hit(callee, at, FaultKind.REFUSED, FaultKind.STORE_REFUSED):
            outcome = Outcome(at + rng.uniform(0.3, 2), 0, "", frozenset([fault]))
            return self._seen(span, service, outcome, ("ConnectionRefusedError", "[Errno 111] Connection refused"))
        network = rng.uniform(0.1, 0.6)
        if store:
            took = callee.own_ms * rng.lognormvariate(0, 0.3)
            if fault := self._hit(callee, at, FaultKind.STORE_TIMEOUT):
                outcome = Outcome(at + step.patience_ms, 0, "", frozenset([fault]))
                return self._seen(span, service, outcome, ("TimeoutError", "timed out"))
            self._end(span, service, at + took)
            return Outcome(at + took)
        inner = self._serve(callee, trace, span_id, at + network, consumer=False)
        if inner.end_ms - at > step.patience_ms:
            slow = next((f for f in self.faults if f.kind is FaultKind.TIMEOUT and f.operation is callee), None)
            faults = inner.faults | (frozenset([slow]) if slow and at / 1000 >= slow.onset_s else frozenset())
            outcome = Outcome(at + step.patience_ms, 0, "", faults, inner.edges)
            return self._seen(span, service, outcome, ("TimeoutError", f"no answer within {step.patience_ms:.0f} ms"))
        end = inner.end_ms + network
        span.attributes["http.response.status_code"] = inner.code
        if inner.code >= 400:
            span.error = inner.code >= 500
            span.attributes["error.type"] = str(inner.code)
        self._end(span, service, end)
        wrong = None if inner.failed else self._hit(callee, at, FaultKind.RESULT)
        return Outcome(end, inner.code, "", inner.faults, inner.edges, wrong)

    def _seen(self, span: Span, service: Service, outcome: Outcome, exception: tuple[str, str]) -> Outcome:
        span.error = True
        span.attributes["error.type"] = exception[0]
        if service.events:
            span.exception = exception
        self._end(span, service, outcome.end_ms)
        return outcome


def arrivals(rng: random.Random, rate: float, until_s: float) -> Iterator[float]:
    """Times of requests (ms) of a Poisson process of `rate` a second."""
    at = 0.0
    while (at := at + rng.expovariate(rate)) < until_s:
        yield at * 1000
