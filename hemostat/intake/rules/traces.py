"""Putting a trace together: spans in any order become trees, and each call learns whom it was made to.

The records here are small copies of readings, because those of all open traces are held in memory. What walks
the trees stands in `walk`, what counts them in `attribution`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hemostat.coordinates.rules import exceptions
from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules.learned import UNNAMED, Learned, Node

MAX_MESSAGE = 500
CALLING = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})


@dataclass(slots=True, eq=False)
class Span:
    """One span of an open trace. Times are nanoseconds on its own host's clock: only durations are
    comparable.
    """

    span_id: bytes
    parent_id: bytes
    kind: SpanKind
    app_id: str
    operation: str
    """the entry method; for calls what was asked of the callee"""
    start: int
    end: int
    failed: bool
    label: str
    """error code of a failing span, `http 404` of a business error, else "" """
    message: str
    raised: bool
    """whether the span itself carries an exception"""
    http_code: int
    address: str
    version: str
    weight: float
    node: Node
    """whose operation this is; of a call: the callee's"""
    children: list[Span] = field(default_factory=list)
    parent: Span | None = None

    @property
    def duration(self) -> int:
        """Nanoseconds, at least 1."""
        return max(1, self.end - self.start)


def record(reading: SpanReading) -> Span:
    """The small copy of a reading."""
    kind = reading.kind
    calling = kind in CALLING
    told = reading.peer_operation if calling else reading.entry
    operation = told or reading.name
    exception = reading.exception
    wrong = reading.failed or reading.http_code >= 400
    return Span(
        span_id=reading.span_id,
        parent_id=reading.parent_id,
        kind=kind,
        app_id=reading.app_id,
        operation=operation,
        start=reading.start_ns,
        end=reading.end_ns,
        failed=reading.failed,
        label=exceptions.error_code(reading) if wrong else "",
        message=exception.message[:MAX_MESSAGE] if exception else "",
        raised=exception is not None,
        http_code=reading.http_code,
        address=reading.peer if calling else "",
        version=reading.version,
        weight=reading.weight,
        node=Node(UNNAMED, operation) if calling else Node(reading.app_id, operation),
    )


@dataclass(slots=True)
class Trace:
    """The trees of one trace, as far as its spans have come."""

    spans: list[Span]
    roots: list[Span]
    """spans without a parent: requests from outside"""
    orphans: list[Span]
    """calls and answers whose parent is not there (yet)"""
    asynchronous: list[Span]
    """consumers: work of their own that nobody waits for"""

    @property
    def entries(self) -> list[Span]:
        """The requests from outside; where no root has come, the longest orphan stands in for it."""
        if self.roots or not self.orphans:
            return self.roots
        return [max(self.orphans, key=lambda s: (s.duration, s.span_id))]


def assemble(spans: Iterable[Span], learned: Learned) -> Trace:
    """Link the spans of one trace and resolve whom each call was made to, learning from every call that was
    answered.

    May be called again when more spans have come.
    """
    by_id: dict[bytes, Span] = {}
    for span in spans:
        span.children.clear()
        span.parent = None
        by_id.setdefault(span.span_id, span)
    trace = Trace(spans=list(by_id.values()), roots=[], orphans=[], asynchronous=[])
    for span in trace.spans:
        parent = by_id.get(span.parent_id) if span.parent_id else None
        if parent is not None and parent is not span:
            parent.children.append(span)
            span.parent = parent
        elif not span.parent_id:
            trace.roots.append(span)
        elif span.kind is SpanKind.SERVER or span.kind is SpanKind.CLIENT:
            trace.orphans.append(span)
        if span.kind is SpanKind.CONSUMER:
            trace.asynchronous.append(span)
        if span.kind not in CALLING:
            learned.learn_recording(span.app_id)
    calls = [span for span in trace.spans if span.kind in CALLING]
    answered: set[bytes] = set()
    for call in calls:
        for child in call.children:
            if child.kind is SpanKind.SERVER and learned.is_direct(
                call.address, call.operation, child.app_id, child.operation
            ):
                learned.learn_callee(call.app_id, call.address, call.operation, child.node)
                call.node = child.node
                answered.add(call.span_id)
    for call in calls:
        if call.span_id not in answered:
            call.node = learned.callee(call.app_id, call.address, call.operation)
    return trace


def servers_below(call: Span) -> list[Span]:
    """The server spans directly below a call: its answer, or what lies behind a silent peer."""
    return [child for child in call.children if child.kind is SpanKind.SERVER]


def answer_of(call: Span) -> Span | None:
    """The server span that answered the call itself; of several (a proxy that tried again) the one that
    ended last.
    """
    below = servers_below(call)
    own = [s for s in below if s.node == call.node] or [s for s in below if s.app_id == call.node.app_id]
    return max(own, key=lambda s: s.end) if own else None


@dataclass(slots=True)
class Group:
    """The calls of one operation to one callee, attempts together."""

    callee: Node
    start: int
    end: int
    failed: bool
    """the last attempt failed"""
    busy: int
    """nanoseconds of all attempts"""
    last: Span
    longest: Span


def groups(span: Span) -> list[Group]:
    """Whom an operation called, through its internal spans, in no particular order."""
    found: dict[Node, Group] = {}
    below = list(span.children)
    while below:
        call = below.pop()
        if call.kind in (SpanKind.INTERNAL, SpanKind.UNSPECIFIED):
            below.extend(call.children)
            continue
        if call.kind is SpanKind.CONSUMER:
            continue
        group = found.get(call.node)
        if group is None:
            found[call.node] = Group(call.node, call.start, call.end, call.failed, call.duration, call, call)
            continue
        group.busy += call.duration
        group.start = min(group.start, call.start)
        group.end = max(group.end, call.end)
        if call.start >= group.last.start:
            group.last, group.failed = call, call.failed
        if call.duration > group.longest.duration:
            group.longest = call
    return list(found.values())


def own_time(span: Span, called: Iterable[Group]) -> int:
    """Nanoseconds in which the operation waited for none of its calls; back-off between attempts is
    waiting.
    """
    waited = 0
    reached = span.start
    for group in sorted(called, key=lambda g: g.start):
        begin, end = max(group.start, reached), min(group.end, span.end)
        if end > begin:
            waited += end - begin
            reached = end
    return max(1, span.end - span.start - waited)


def voice(span: Span) -> Span:
    """The span that says best why `span` failed: itself, or the failing internal span below it that
    carries the exception.
    """
    if span.raised or not span.failed:
        return span
    below = [c for c in span.children if c.kind in (SpanKind.INTERNAL, SpanKind.UNSPECIFIED) and c.failed]
    for child in sorted(below, key=lambda c: -c.end):
        speaker = voice(child)
        if speaker.raised:
            return speaker
    return span
