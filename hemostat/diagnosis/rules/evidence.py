"""What the counters of a window say, before anybody is blamed: series of failing requests by leaf, and how to
compare them.

A window is a list of stretches (ten seconds each, older ones a minute). Tokens are taken from it with weak
steps cut: where a caller usually survives a callee's failure, the caller failed by itself. A split of the
window into *before* and *after* gives every count a usual value: counts are compared at equal exposure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hemostat.intake.rules.counts import Edge, NodeCount, Times, TokenCount
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.tally import Tally
from hemostat.intake.rules.walk import How, Leaf, LeafKind, Step, TokenKey

WEAK = 0.5
"""A step is weak when the caller fails less often than this when only the callee has failed."""
WEAK_EVIDENCE = 3
"""... seen at least so often"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the window and what was counted in it."""

    start: int
    """Unix seconds"""
    seconds: int
    tally: Tally


@dataclass(slots=True)
class Track:
    """Failing requests of one kind through the window: how many in each stretch, and what is known of
    them.
    """

    chain: tuple[Step, ...]
    leaf: Leaf
    alternatives: tuple[Node, ...]
    counts: dict[int, TokenCount] = field(default_factory=dict)
    """by index of the stretch"""


@dataclass(frozen=True, slots=True)
class Split:
    """Before and after: stretches from index `at` on are after."""

    at: int
    before: int
    """requests traced before"""
    after: int

    @property
    def ratio(self) -> float:
        """Exposure after for each request before."""
        return self.after / self.before if self.before else 0.0

    @property
    def share_after(self) -> float:
        """The share of all requests that came after."""
        return self.after / (self.before + self.after)


class Evidence:
    """A window of counters, read in the ways that ranking needs."""

    def __init__(self, stretches: Sequence[Stretch], *, cut_weak: bool = True) -> None:
        """`stretches` in the order of time, without overlap."""
        self.stretches = stretches
        self._cut_weak = cut_weak

    # The whole window

    @cached_property
    def requests(self) -> list[int]:
        """Traced requests from outside in each stretch."""
        return [sum(r.traced for r in s.tally.requests.values()) for s in self.stretches]

    @cached_property
    def recording(self) -> frozenset[str]:
        """Services that have sent spans of their own."""
        return frozenset(
            app_id for s in self.stretches for app_id, count in s.tally.services.items() if count.recording
        )

    @cached_property
    def edges(self) -> dict[Node, dict[Node, Edge]]:
        """Who calls whom, summed over the window."""
        out: dict[Node, dict[Node, Edge]] = {}
        for stretch in self.stretches:
            for caller, count in stretch.tally.nodes():
                if count.callees:
                    callees = out.setdefault(caller, {})
                    for callee, edge in count.callees.items():
                        callees.setdefault(callee, Edge()).add(edge)
        return out

    def is_weak(self, caller: Node, callee: Node) -> bool:
        """Whether the caller usually survives the callee's failure."""
        edge = self.edges.get(caller, {}).get(callee)
        return edge is not None and edge.decisive >= WEAK_EVIDENCE and edge.caller_failed / edge.decisive < WEAK

    def sees_through(self, peer: Node) -> bool:
        """Whether spans of others were seen behind a peer that records nothing."""
        return any(edge.behind for edge in self.edges.get(peer, {}).values())

    @cached_property
    def tracks(self) -> list[Track]:
        """Failing requests by chain and leaf, weak steps cut; asynchronous work is not part of it."""
        found: dict[tuple[tuple[Step, ...], Leaf, tuple[Node, ...]], Track] = {}
        shortened: dict[TokenKey, tuple[tuple[Step, ...], Leaf, tuple[Node, ...]]] = {}
        for index, stretch in enumerate(self.stretches):
            for key, count in stretch.tally.tokens.items():
                if key.asynchronous or count.traced <= 0:
                    continue
                short = shortened.get(key)
                if short is None:
                    short = shortened[key] = self._without_weak_steps(key)
                track = found.get(short)
                if track is None:
                    track = found[short] = Track(*short)
                track.counts.setdefault(index, TokenCount()).add(count)
        return list(found.values())

    def _without_weak_steps(self, key: TokenKey) -> tuple[tuple[Step, ...], Leaf, tuple[Node, ...]]:
        if self._cut_weak:
            for i in range(1, len(key.chain)):
                caller, step = key.chain[i - 1], key.chain[i]
                if step.how is How.ERROR and self.is_weak(caller.node, step.node):
                    return key.chain[:i], Leaf(caller.node, LeafKind.INTERNAL, caller.label), ()
        return key.chain, key.leaf, key.alternatives

    @cached_property
    def series(self) -> dict[Leaf, dict[int, int]]:
        """Traced failing requests of each leaf by stretch."""
        out: dict[Leaf, dict[int, int]] = {}
        for track in self.tracks:
            counts = out.setdefault(track.leaf, {})
            for index, count in track.counts.items():
                counts[index] = counts.get(index, 0) + count.traced
        return out

    # Before and after

    def split(self, at: int) -> Split:
        """The split in front of the stretch with this index."""
        return Split(at, sum(self.requests[:at]), sum(self.requests[at:]))

    def calls(self, node: Node, split: Split) -> tuple[int, int]:
        """Calls made to a node before and after, every attempt."""
        return self._both(node, split, lambda count: count.calls)

    def failures(self, leaf: Leaf, split: Split) -> tuple[int, int]:
        """Calls that ended badly at a leaf before and after, every attempt, whether or not an entry
        failed.
        """
        return self._both(leaf.node, split, lambda count: count.failures.get((leaf.kind, leaf.label), 0))

    def _both(self, node: Node, split: Split, read: Callable[[NodeCount], int]) -> tuple[int, int]:
        sums = [0, 0]
        for index, stretch in enumerate(self.stretches):
            count = stretch.tally.find(node)
            if count is not None:
                sums[index >= split.at] += read(count)
        return sums[0], sums[1]

    def slowdown(self, node: Node, split: Split) -> Slowdown:
        """How a node's own time has changed."""
        sums = (Times(), Times())
        for index, stretch in enumerate(self.stretches):
            count = stretch.tally.find(node)
            if count is not None:
                sums[index >= split.at].add(count.times)
        return Slowdown.between(*sums)

    def lost_share(self, split: Split) -> float:
        """Of the calls after the split that ended well, how many lack the callee's span; 0 when too few
        to tell.
        """
        remainders = [s.tally.remainder for s in self.stretches[split.at :]]
        answered = sum(r.answered for r in remainders)
        return sum(r.unseen for r in remainders) / answered if answered > 50 else 0.0

    def below(self, node: Node) -> set[Node]:
        """All nodes that calls from `node` lead to."""
        seen: set[Node] = set()
        open_nodes = [node]
        while open_nodes:
            for callee in self.edges.get(open_nodes.pop(), ()):
                if callee not in seen:
                    seen.add(callee)
                    open_nodes.append(callee)
        return seen

    def levels_below(self, node: Node) -> Iterable[list[Node]]:
        """The nodes below, nearest first, level by level."""
        seen = {node}
        level = [node]
        while level:
            following: list[Node] = []
            for caller in level:
                for callee in self.edges.get(caller, ()):
                    if callee not in seen:
                        seen.add(callee)
                        following.append(callee)
            if following:
                yield following
            level = following

    def route(self, start: Node, end: Node) -> list[Node]:
        """The shortest way of calls from `start` (left out) to `end` (included); empty when there is none."""
        previous: dict[Node, Node] = {}
        queue = [start]
        for node in queue:
            if node == end:
                break
            for callee in self.edges.get(node, ()):
                if callee not in previous and callee != start:
                    previous[callee] = node
                    queue.append(callee)
        way: list[Node] = []
        while end != start and end in previous:
            way.append(end)
            end = previous[end]
        return way[::-1]


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A change of own time: ratio of geometric means, how many standard errors that is, and nanoseconds
    added a call.
    """

    ratio: float
    deviation: float
    added_ns: float

    @classmethod
    def between(cls, before: Times, after: Times) -> Slowdown:
        """From the sums before and after; no change where there is too little to compare."""
        if before.n < 10 or after.n < 5:
            return cls(1.0, 0.0, 0.0)
        usual, now = before.log / before.n, after.log / after.n
        spread_usual = max(0.01, before.log_squared / before.n - usual * usual)
        spread_now = max(0.01, after.log_squared / after.n - now * now)
        error = math.sqrt(spread_usual / before.n + spread_now / after.n)
        added = after.total / after.n - before.total / before.n
        return cls(math.exp(now - usual), (now - usual) / error, added)


def sums(series: dict[int, int], split: Split) -> tuple[int, int]:
    """A series before and after."""
    after = sum(n for index, n in series.items() if index >= split.at)
    return sum(series.values()) - after, after


def log_tail(k: float, n: float, p: float) -> float:
    """log P(X >= k) of a binomial distribution; exact sum from the largest term on. 0 where k is not
    above the mean.
    """
    if k <= 0 or p >= 1 or k <= n * p:
        return 0.0
    if p <= 0:
        return -math.inf
    log_first = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p)) + (
        n - k
    ) * math.log1p(-p)
    total = term = 1.0
    while k + 1 <= n and term > 1e-12 * total:
        term *= (n - k) / (k + 1) * p / (1 - p)
        total += term
        k += 1
    return min(0.0, log_first + math.log(total))


def likelihood_ratio(before: float, after: float, split: Split) -> float:
    """How much better a rise at the split explains the counts than one steady rate (log); 0 where nothing
    rose.
    """
    if not after or after * split.before <= before * split.after:
        return 0.0
    total, both = split.before + split.after, before + after
    gain = after * math.log(after / split.after * total / both)
    if before:
        gain += before * math.log(before / split.before * total / both)
    return gain


def burstiness(series: dict[int, int], requests: Sequence[int], split: Split) -> float:
    """Variance over mean of a leaf's counts before the split, at equal exposure; at least 1."""
    stretches = [i for i in range(split.at) if requests[i]]
    before = sum(series.get(i, 0) for i in stretches)
    if len(stretches) < 5 or before < 5:
        return 1.0
    rate = before / sum(requests[i] for i in stretches)
    excess = sum((series.get(i, 0) - requests[i] * rate) ** 2 / (requests[i] * rate) for i in stretches)
    return max(1.0, excess / (len(stretches) - 1))
