"""What one trace adds to the counters, and what it teaches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hemostat.coordinates.rules.exceptions import manner
from hemostat.intake.readings import SpanKind
from hemostat.intake.rules.counts import Requests, Times, TokenCount
from hemostat.intake.rules.learned import Learned, Node
from hemostat.intake.rules.tally import Tally
from hemostat.intake.rules.traces import (
    CALLING,
    Group,
    Span,
    Trace,
    answer_of,
    groups,
    own_time,
    servers_below,
    voice,
)
from hemostat.intake.rules.walk import (
    Leaf,
    LeafKind,
    TokenKey,
    attribute,
    lost_kind,
    may_still_answer,
    pick,
)

_INSIDE = frozenset({SpanKind.INTERNAL, SpanKind.UNSPECIFIED})


@dataclass(slots=True)
class Operation:
    """One answered request inside a trace, with whom it called and which call explains its failure."""

    span: Span
    called: list[Group]
    bad: list[Group]
    """whose last attempt failed"""
    explaining: Group | None
    """the call because of which it failed; None when it failed by itself, or did not"""

    @property
    def refused(self) -> bool:
        """Whether its caller did not get what it asked for; unlike `failed`, answers like 404 count."""
        return self.span.failed or self.span.http_code >= 400

    @property
    def decisive(self) -> list[Group]:
        """Failed calls that show how much they matter: the caller did without them, or failed of this
        alone.
        """
        if not self.refused:
            return self.bad
        return self.bad if self.explaining is not None and len(self.bad) == 1 else []

    @property
    def by_itself(self) -> bool:
        """Whether it failed, and none of its calls explains that."""
        return self.span.failed and self.explaining is None


def operations(trace: Trace, learned: Learned) -> list[Operation]:
    """Every operation of a trace: what answers a call or a message, or was started by itself."""
    found = []
    for span in trace.spans:
        if span.kind in CALLING or (span.kind in _INSIDE and span.parent_id):
            continue
        called = groups(span)
        bad = [g for g in called if g.failed]
        wrong = span.failed or span.http_code >= 400
        explaining = pick(span, called, bad, learned) if wrong and bad else None
        found.append(Operation(span, called, bad, explaining))
    return found


def entries_of(trace: Trace, learned: Learned) -> list[Span]:
    """The requests from outside that are known to be that: roots, or an orphan whose callers never record."""
    return trace.roots or [o for o in trace.orphans if learned.is_outer_edge(o.node)][:1]


def is_complete(trace: Trace, learned: Learned) -> bool:
    """Whether no further span is expected: the entry is there, and every call to a service that records
    has its answer.
    """
    entries = entries_of(trace, learned)
    if not entries or any(orphan not in entries for orphan in trace.orphans):
        return False
    return not any(
        s.kind is SpanKind.CLIENT and answer_of(s) is None and may_still_answer(s, learned) for s in trace.spans
    )


def count(
    trace: Trace, entries: Iterable[Span], *, sample: str, weight: float, learned: Learned, into: Tally
) -> list[Operation]:
    """Add what a trace tells to the counters; `weight` multiplies the spans' own, `sample` is the trace
    id in hex.
    """
    found = operations(trace, learned)
    for span in trace.spans:
        if span.kind in CALLING:
            _count_call(span, learned, into)
        else:
            into.service(span.app_id).recording = True
    for operation in found:
        _count_operation(operation, into)
    for entry in entries:
        each = entry.weight * weight
        into.entry(Node(entry.app_id, entry.operation)).add(Requests(each, each * entry.failed, 1, int(entry.failed)))
        if entry.failed:
            _count_token(entry, sample, each, learned, into, asynchronous=False)
    for consumer in trace.asynchronous:
        if consumer.failed and consumer not in trace.roots:
            _count_token(consumer, sample, consumer.weight * weight, learned, into, asynchronous=True)
    return found


def _count_call(call: Span, learned: Learned, into: Tally) -> None:
    into.node(call.node).calls += 1
    below = servers_below(call)
    answered = False
    for server in below:
        if server.node == call.node:
            answered = True
            continue
        into.node(server.node).calls += 1
        edge = into.edge(call.node, server.node)
        edge.calls += 1
        edge.behind += 1
    if call.failed:
        if not answered and not any(s.failed for s in below):
            into.failure(Leaf(call.node, lost_kind(call, learned), call.label))
    elif not learned.records(call.node.app_id):
        into.node(call.node).times.add(_times(call.duration))
    elif call.kind is SpanKind.CLIENT and learned.knows(call.address):
        left = into.left()
        left.answered += 1
        left.unseen += not call.children


def _count_operation(operation: Operation, into: Tally) -> None:
    span = operation.span
    into.service(span.app_id).answered(span.version, 1, int(span.failed))
    count = into.node(span.node)
    if span.parent is None or span.parent.kind is not SpanKind.CLIENT:
        # Otherwise the call was counted at its caller's end, where unanswered ones are counted too.
        count.calls += 1
    for group in operation.called:
        into.edge(span.node, group.callee).calls += 1
    for group in operation.decisive:
        edge = into.edge(span.node, group.callee)
        edge.decisive += 1
        edge.caller_failed += operation.refused
    if operation.by_itself:
        into.failure(Leaf(span.node, LeafKind.INTERNAL, voice(span).label))
    else:
        count.times.add(_times(own_time(span, operation.called)))


def _times(ns: int) -> Times:
    log = math.log(max(1, ns))
    return Times(1, log, log * log, float(ns))


def _count_token(entry: Span, sample: str, weight: float, learned: Learned, into: Tally, *, asynchronous: bool) -> None:
    walk, leaf = attribute(entry, learned)
    end = walk.end
    versions = {end.version: 1} if end and end.version and end.app_id == leaf.node.app_id else {}
    manners = {manner(end.label, end.message).value: 1} if end and end.kind in CALLING else {}
    key = TokenKey(asynchronous, tuple(walk.chain), leaf, walk.alternatives)
    into.token(key).add(TokenCount(weight, 1, entry.start, [sample], versions, manners))


def learn(trace: Trace, found: Iterable[Operation], learned: Learned) -> None:
    """Take from a trace that is counted for good what helps to understand the next ones."""
    for span in trace.spans:
        if span.kind is SpanKind.SERVER and span.parent_id:
            learned.learn_orphan(span.node, parent_came=span.parent is not None)
        if span.kind in CALLING:
            if not span.failed and not learned.records(span.node.app_id):
                learned.learn_time(span.node, span.duration)
            below = servers_below(span)
            if below or not span.failed:
                learned.learn_answer(span.node, came=bool(below))
    for operation in found:
        span = operation.span
        for group in operation.decisive:
            learned.learn_strength(span.node, group.callee, caller_failed=operation.refused)
        if not operation.by_itself:
            learned.learn_time(span.node, own_time(span, operation.called))
        if not span.failed:
            for group in operation.called:
                if not group.failed:
                    learned.learn_time((span.node, group.callee), group.busy)
