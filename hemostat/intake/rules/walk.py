"""The walk: every failing request is attributed exactly once, from its entry down to the one place that
explains it.

From a failing operation the walk follows the call that explains its failure; where no call does, the
operation itself is the leaf. Where a callee was cut off by its caller's patience, the walk follows the time
instead of the error. Only durations are compared, never clocks of two hosts. What the walk finds is a
*token*: chain and leaf.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from hemostat.intake.rules.learned import Learned, Node, names_service
from hemostat.intake.rules.traces import (
    CALLING,
    Group,
    Span,
    answer_of,
    groups,
    own_time,
    servers_below,
    voice,
)

MAX_DEPTH = 30
OUTLIVED = 1.02
"""A callee that took longer than its caller's call, beyond the network's share, outlived the caller's
patience.
"""
FILLED = 0.8
"""A callee that took this share of its caller's call is what the caller waited for."""
UNUSUAL = 3.0
"""Behind a silent peer, a call must take this many times its usual time to be called slow."""
RIVAL = 0.6
"""Of overlapping failed calls, those with at least this share of the greatest strength are candidates."""


_NEVER_REACHED = re.compile(
    r"refused|unknown ?host|no route|unreachable|name or service not known|gaierror|getaddrinfo",
    re.IGNORECASE,
)


class How(StrEnum):
    """How the walk came to a step."""

    ERROR = "e"
    TIME = "t"
    RESULT = "r"


class LeafKind(StrEnum):
    """Why the walk ended where it did."""

    INTERNAL = "internal"
    """the operation failed by itself"""
    GONE = "gone"
    """a call failed, and nothing shows that anybody answered"""
    UNSEEN = "unseen"
    """the callee answered with a failure, but its span did not come"""
    EDGE = "edge"
    """the call failed although the callee answered well"""
    RESULT = "result"
    """the callee answered well, and its caller says that the answer was wrong"""
    SLOW = "slow"
    """nothing failed here; it took so long that its caller gave up"""


class Step(NamedTuple):
    """A step of the chain: the node, how the walk came to it, and what went wrong there ("" if nothing is
    said).
    """

    node: Node
    how: How
    label: str


class Leaf(NamedTuple):
    """Where a failing request ends: a candidate for the cause."""

    node: Node
    kind: LeafKind
    label: str


class TokenKey(NamedTuple):
    """What failing requests have in common that failed in the same way along the same chain."""

    asynchronous: bool
    chain: tuple[Step, ...]
    leaf: Leaf
    alternatives: tuple[Node, ...]
    """healthy nodes seen behind a silent peer that is the leaf"""


@dataclass(slots=True)
class Walk:
    """One failing request on its way down; `attribute` is the way in."""

    learned: Learned
    chain: list[Step] = field(default_factory=list)
    alternatives: tuple[Node, ...] = ()
    settled: bool = True
    """False when a span that may still come could move the leaf"""
    end: Span | None = None
    """the last span that the walk stood on"""

    def failed(self, span: Span, how: How = How.ERROR) -> Leaf:
        """Why did this operation fail?"""
        self.end = span
        called = groups(span)
        said = voice(span)
        self.chain.append(Step(span.node, how, said.label))
        bad = [g for g in called if g.failed]
        explaining = pick(span, called, bad, self.learned) if bad else None
        if explaining is not None and len(self.chain) < MAX_DEPTH:
            return self.call(explaining.last)
        if said.message:
            for group in sorted(called, key=lambda g: -g.end):
                if names_service(said.message, group.callee.app_id):
                    self.chain.append(Step(group.callee, How.RESULT, ""))
                    return Leaf(group.callee, LeafKind.RESULT, said.label)
        return Leaf(span.node, LeafKind.INTERNAL, said.label)

    def call(self, call: Span, how: How = How.ERROR) -> Leaf:
        """Why did this call fail, or take so long? It may be a server span where its caller records
        nothing.
        """
        if call.kind not in CALLING:
            return self.failed(call, how) if call.failed else self.slow(call, how)
        self.end = call
        answer = answer_of(call)
        if answer is not None:
            if answer.duration > OUTLIVED * call.duration:
                return self.slow(answer, how)
            if answer.failed or answer.http_code >= 400:
                return self.failed(answer, how)
            if answer.duration > FILLED * call.duration:
                return self.slow(answer, how)
            self.chain.append(Step(call.node, how, ""))
            return Leaf(call.node, LeafKind.EDGE, call.label)
        self.chain.append(Step(call.node, how, ""))
        behind = servers_below(call)
        if behind:
            bad = [g for g in groups(call) if g.failed]
            if bad:
                return self.call(max(bad, key=lambda g: g.end).last)
            longest = max(behind, key=lambda s: s.duration)
            usual = self.learned.usual_ns(longest.node)
            if longest.duration > FILLED * call.duration and call.duration > UNUSUAL * usual:
                return self.slow(longest)
            self.alternatives = tuple(sorted({s.node for s in behind}))
        return self._unanswered(call)

    def slow(self, span: Span, how: How = How.TIME) -> Leaf:
        """Where did the time of this operation go? Into the part that exceeds its usual time most."""
        self.end = span
        called = groups(span)
        self.chain.append(Step(span.node, how, span.label))
        excess = own_time(span, called) - self.learned.usual_ns(span.node)
        longest: Group | None = None
        for group in called:
            more = (group.end - group.start) - self.learned.usual_ns((span.node, group.callee))
            if more > excess:
                excess, longest = more, group
        if longest is None or len(self.chain) >= MAX_DEPTH:
            return Leaf(span.node, LeafKind.SLOW, "")
        call = longest.longest
        if call.failed:
            return self.call(call, How.TIME)
        if call.kind not in CALLING:
            return self.slow(call)
        below = servers_below(call)
        if below:
            server = max(below, key=lambda s: s.duration)
            if server.node != call.node:
                self.chain.append(Step(call.node, How.TIME, ""))
            return self.slow(server)
        self.end = call
        self.chain.append(Step(call.node, How.TIME, ""))
        self.settled = self.learned.is_silent(call.node)
        return Leaf(call.node, LeafKind.SLOW, "")

    def _unanswered(self, call: Span) -> Leaf:
        self.settled = not may_still_answer(call, self.learned)
        return Leaf(call.node, lost_kind(call, self.learned), call.label)


def attribute(entry: Span, learned: Learned) -> tuple[Walk, Leaf]:
    """Walk a failing request down from its entry; the walk holds the chain and whether more spans could
    change it.
    """
    walk = Walk(learned)
    if entry.kind in CALLING:
        # The caller is outside and records only its call: the entry is the call itself.
        walk.chain.append(Step(Node(entry.app_id, entry.operation), How.ERROR, entry.label))
        return walk, walk.call(entry)
    return walk, walk.failed(entry)


def lost_kind(call: Span, learned: Learned) -> LeafKind:
    """A failed call without a server span: nobody answered, or somebody did and the span was lost."""
    answered = call.http_code >= 400 and learned.records(call.node.app_id)
    return LeafKind.UNSEEN if answered else LeafKind.GONE


def may_still_answer(call: Span, learned: Learned) -> bool:
    """Whether a server span below a call without one can be expected; not where the call never got
    through.
    """
    if call.failed and not call.http_code and _NEVER_REACHED.search(f"{call.label} {call.message}"):
        return False
    return not learned.is_silent(call.node) and not call.children


def pick(span: Span, called: list[Group], bad: list[Group], learned: Learned) -> Group | None:
    """The failed call that explains why `span` failed (or would have), None when none does.

    The one that its exception names; none, if it names a call that ended well; else a call after which no
    other began, because a failure that mattered ends the work. Several only where calls overlap: then the
    first to end of those that usually matter.
    """
    said = voice(span).message if span.failed else ""
    if said:
        named = [g for g in bad if names_service(said, g.callee.app_id)]
        if named:
            return max(named, key=lambda g: g.end)
        if any(names_service(said, g.callee.app_id) for g in called):
            return None
    last = [b for b in bad if not any(g.start > b.end for g in called if g is not b)]
    if len(last) < 2:
        return last[0] if last else None
    strengths = [(learned.strength(span.node, g.callee), g) for g in last]
    most = max(s for s, _ in strengths)
    return min((g for s, g in strengths if s > RIVAL * most), key=lambda g: g.end)
