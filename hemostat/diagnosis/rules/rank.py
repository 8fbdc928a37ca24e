"""The question: which places have more failing requests than usual, since when, and which of them explain the
others.

Method (one window of counters, nothing later is used):

1. *Onset*: one change point for all leaves, where the summed likelihood of rises is largest.
2. *Candidates*: leaves that rose beyond chance. The number of tests is Tarone's: only leaves with enough
events to become significant at all count, so that rare noise costs no power. A leaf whose failing calls rose
no more than its calls is no cause (a surge, a storm of retries); nor is one burst. 3. *Reassignment*: a peer
that records nothing gives its tokens to a candidate seen behind it; a pool that ran empty to what became slow
below it; a callee whose span was lost to the candidate its other calls lead to. 4. *Lost telemetry*: what is
explained by missing spans is dropped. 5. *Answer*: candidates by service, ordered by their excess; all of
them are the set of causes.

Every rule can be switched off (`Rules`), so that its worth can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hemostat.coordinates.rules.exceptions import is_resource
from hemostat.diagnosis.rules.answer import Verdict
from hemostat.diagnosis.rules.evidence import (
    Evidence,
    Split,
    Stretch,
    burstiness,
    likelihood_ratio,
    log_tail,
    sums,
)
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import Leaf, LeafKind

ALPHA = 0.01
"""Chance of naming a leaf where nothing has changed, over all leaves of one question."""
WEAK_ALPHA = 0.05
MIN_EXCESS = 4.0
"""A cause explains at least so many traced failing requests more than usual ..."""
MIN_SHARE = 0.01
"""... and this share of all that are more than usual."""
MIN_CALLS = 5
"""Calls before the onset from which the test by calls is made."""
CHANCE_RISE = 6.0
"""Log likelihood that a single leaf gains by chance in the onset scan."""
PERSISTENT = 3
NOVEL = 3
SLOWER = 1.5
SLOWER_DEVIATION = 6.0
SLOWER_NS = 20e6
LOST_FACTOR = 4.0
LEAK = 20.0
EXPLAINED = 0.7
"""Below this share of the excess, the answer is partial."""
SINCE_SLACK_S = 60
"""How far from a given onset the scan may go."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules take part; all, except when their worth is measured."""

    baseline: bool = True
    weak: bool = True
    tarone: bool = True
    per_call: bool = True
    persistence: bool = True
    novelty: bool = True
    hidden: bool = True
    exhaustion: bool = True
    lost: bool = True
    bursts: bool = True


ALL_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A leaf that explains failing requests beyond the usual."""

    leaf: Leaf
    excess: float
    """traced failing requests more than usual, including those reassigned to it"""
    before: int
    after: int
    log_chance: float


@dataclass(frozen=True, slots=True)
class Move:
    """Tokens of one leaf that count for another."""

    to: Leaf
    part: float


@dataclass(frozen=True, slots=True)
class Named:
    """A service in the set of causes."""

    app_id: str
    excess: float
    share: float
    """of all excess, 0 to 1"""
    leaves: tuple[Candidate, ...]
    """the strongest first"""

    @property
    def main(self) -> Candidate:
        """Where most of its failing requests end."""
        return self.leaves[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the question brought, before it is put into words."""

    verdict: Verdict
    split: Split | None = None
    named: tuple[Named, ...] = ()
    moves: Mapping[Leaf, Sequence[Move]] = field(default_factory=dict)
    rising: tuple[Candidate, ...] = ()
    """leaves that rose, and are not in the set: chance, too few, or explained by it"""
    excess: float = 0.0
    """traced failing requests more than usual"""
    confidence: float = 0.0
    """the share of the excess that is explained, halved on weak evidence"""


def rank(
    stretches: Sequence[Stretch], *, since: float | None = None, rules: Rules = ALL_RULES
) -> tuple[Evidence, Finding]:
    """Ask the question of a window. `since` (Unix seconds) is the onset where detection knows it."""
    evidence = Evidence(stretches, cut_weak=rules.weak)
    split = find_onset(evidence, since)
    if split is None:
        return evidence, Finding(Verdict.UNKNOWN)
    return evidence, _Question(evidence, split, rules).answer()


def find_onset(evidence: Evidence, since: float | None = None) -> Split | None:
    """The split with the largest sum of likelihood ratios over all leaves, None when nothing rose beyond
    chance.
    """
    n = len(evidence.stretches)
    first = max(2, n // 6)
    best, found = 0.0, None
    total = sum(evidence.requests)
    before = sum(evidence.requests[:first])
    cumulated = {leaf: sum(s.get(i, 0) for i in range(first)) for leaf, s in evidence.series.items()}
    for i in range(first, n):
        split = Split(i, before, total - before)
        if split.before and split.after and _near(evidence.stretches[i], since):
            gain = 0.0
            for leaf, series in evidence.series.items():
                k0 = cumulated[leaf]
                gain += max(0.0, likelihood_ratio(k0, _totals(series) - k0, split) - CHANCE_RISE)
            if gain > best:
                best, found = gain, split
        before += evidence.requests[i]
        for leaf, series in evidence.series.items():
            cumulated[leaf] += series.get(i, 0)
    if found is None and since is not None:
        at = next((i for i, s in enumerate(evidence.stretches) if s.start + s.seconds > since), None)
        known = evidence.split(at) if at else None
        return known if known and known.before and known.after else None
    return found


def _totals(series: dict[int, int]) -> int:
    return sum(series.values())


def _near(stretch: Stretch, since: float | None) -> bool:
    return since is None or abs(stretch.start - since) <= SINCE_SLACK_S


class _Question:
    """One question at one split; the steps in `answer` are those of the method."""

    def __init__(self, evidence: Evidence, split: Split, rules: Rules) -> None:
        self.evidence = evidence
        self.split = split
        self.rules = rules
        self.counts = {leaf: sums(s, split) for leaf, s in evidence.series.items()}
        before = sum(k0 for k0, _ in self.counts.values())
        after = sum(k1 for _, k1 in self.counts.values())
        self.total = after - before * split.ratio
        self.set: dict[Leaf, Candidate] = {}
        self.moves: dict[Leaf, list[Move]] = {}

    def answer(self) -> Finding:
        """All steps, in order."""
        tests = self._tests()
        tested = {leaf: self._test(leaf) for leaf in self.counts}
        self.set = self._significant(tested, tests)
        self._pool_new_kinds(tests)
        verdict = Verdict.NAMED
        if not self.set:
            verdict = Verdict.WEAK
            self.set = self._best_on_weak_evidence(tested, tests)
        if not self.set:
            return Finding(Verdict.UNKNOWN, self.split, rising=self._rising(), excess=self.total)
        self._reassign()
        self._drop_lost()
        self._drop_leaks()
        if self.rules.baseline:
            least = max(MIN_EXCESS, MIN_SHARE * self.total)
            self.set = {leaf: c for leaf, c in self.set.items() if c.excess >= least}
        if not self.set:
            return Finding(Verdict.UNKNOWN, self.split, rising=self._rising(), excess=self.total)
        named = self._by_service()
        explained = min(1.0, sum(n.excess for n in named) / max(self.total, 1e-9))
        if verdict is Verdict.NAMED and explained <= EXPLAINED:
            verdict = Verdict.PARTLY
        return Finding(
            verdict=verdict,
            split=self.split,
            named=named,
            moves=self.moves,
            rising=self._rising(),
            excess=self.total,
            confidence=explained * (0.5 if verdict is Verdict.WEAK else 1.0),
        )

    # Candidates

    def _excess(self, leaf: Leaf) -> float:
        before, after = self.counts[leaf]
        return after - before * self.split.ratio

    def _tests(self) -> int:
        """How many leaves could become significant at all (Tarone 1990)."""
        if not self.rules.tarone:
            return max(1, len(self.counts))
        sizes = sorted((k0 + k1 for k0, k1 in self.counts.values()), reverse=True)
        log_share = math.log(self.split.share_after)
        tests = 1
        while tests < len(sizes) and sizes[tests] * log_share < math.log(ALPHA / (tests + 1)):
            tests += 1
        return tests

    def _test(self, leaf: Leaf) -> Candidate | None:
        """The leaf with its chance, None when it is no lasting change."""
        before, after = self.counts[leaf]
        series = self.evidence.series[leaf]
        if self.rules.persistence:
            lasting = len(self.evidence.stretches) - self.split.at
            seen = sum(1 for index, n in series.items() if index >= self.split.at and n)
            if seen < min(PERSISTENT, math.ceil(lasting / 4)):
                return None
        if not self.rules.baseline:
            return Candidate(leaf, float(after), 0, after, -99.0)
        phi = burstiness(series, self.evidence.requests, self.split) if self.rules.bursts else 1.0
        chance = log_tail(after / phi, (before + after) / phi, self.split.share_after)
        if self.rules.per_call:
            chance = max(chance, self._chance_by_calls(leaf, phi))
        return Candidate(leaf, self._excess(leaf), before, after, chance)

    def _chance_by_calls(self, leaf: Leaf, phi: float) -> float:
        """The same with failing calls against calls: more failures only because of more calls are no
        cause.
        """
        calls_before, calls_after = self.evidence.calls(leaf.node, self.split)
        before, after = self.evidence.failures(leaf, self.split)
        if not after or calls_before < MIN_CALLS:
            return -math.inf
        share = calls_after / (calls_before + calls_after)
        return log_tail(after / phi, (before + after) / phi, share)

    def _significant(self, tested: Mapping[Leaf, Candidate | None], tests: int) -> dict[Leaf, Candidate]:
        least = max(MIN_EXCESS, MIN_SHARE * self.total)
        limit = math.log(ALPHA / tests)
        return {
            leaf: c
            for leaf, c in tested.items()
            if c is not None and (not self.rules.baseline or (c.log_chance < limit and c.excess >= least))
        }

    def _pool_new_kinds(self, tests: int) -> None:
        """Several kinds of failure never seen before at one operation are one change."""
        if not (self.rules.novelty and self.rules.baseline):
            return
        new: dict[Node, list[Leaf]] = {}
        for leaf, (before, after) in self.counts.items():
            if not before and after >= NOVEL and leaf not in self.set:
                new.setdefault(leaf.node, []).append(leaf)
        for leaves in new.values():
            after = sum(self.counts[leaf][1] for leaf in leaves)
            chance = log_tail(after, after, self.split.share_after)
            enough = after >= max(MIN_EXCESS, MIN_SHARE * self.total)
            if len(leaves) > 1 and enough and chance < math.log(ALPHA / 10 / tests):
                for leaf in leaves:
                    own = self.counts[leaf][1]
                    self.set[leaf] = Candidate(leaf, float(own), 0, own, chance)

    def _best_on_weak_evidence(self, tested: Mapping[Leaf, Candidate | None], tests: int) -> dict[Leaf, Candidate]:
        enough = [c for c in tested.values() if c is not None and c.excess >= MIN_EXCESS]
        best = min(enough, key=lambda c: c.log_chance, default=None)
        if best is None or best.log_chance >= math.log(WEAK_ALPHA / tests):
            return {}
        return {best.leaf: best}

    # Reassignment

    def _reassign(self) -> None:
        rising = [leaf for leaf in self.counts if leaf in self.set or self._excess(leaf) >= 1]
        if self.rules.hidden:
            passing = self._passing()
            for leaf in rising:
                target = self._behind(leaf, passing)
                if target is not None:
                    self.moves[leaf] = [Move(target, 1.0)]
        if self.rules.exhaustion:
            for leaf in rising:
                self._blame_what_became_slow(leaf)
            starved = {leaf.node: moves for leaf, moves in self.moves.items() if leaf.kind is LeafKind.INTERNAL}
            for leaf in rising:
                if leaf.kind is LeafKind.SLOW and leaf.node in starved:
                    # It waited for the same resource; its caller gave up before it said so.
                    self.moves[leaf] = starved[leaf.node]
        for leaf, moves in self.moves.items():
            source = self.set.pop(leaf, None)
            if source is None:
                continue
            for move in moves:
                had = self.set.get(move.to)
                if had is None:
                    before, after = self.counts.get(move.to, (0, 0))
                    had = Candidate(move.to, 0.0, before, after, source.log_chance)
                self.set[move.to] = replace(
                    had,
                    excess=had.excess + source.excess * move.part,
                    log_chance=min(had.log_chance, source.log_chance),
                )

    def _passing(self) -> dict[tuple[Node, Leaf], float]:
        """Excess of failing requests that pass a node on their way to a candidate."""
        passing: dict[tuple[Node, Leaf], float] = {}
        for track in self.evidence.tracks:
            if track.leaf in self.set:
                before, after = sums({i: c.traced for i, c in track.counts.items()}, self.split)
                for node in {step.node for step in track.chain[:-1]}:
                    key = (node, track.leaf)
                    passing[key] = passing.get(key, 0.0) + after - before * self.split.ratio
        return passing

    def _behind(self, leaf: Leaf, passing: Mapping[tuple[Node, Leaf], float]) -> Leaf | None:
        """The candidate that explains a call whose other end was not seen."""
        hits: list[Leaf] = []
        if leaf.kind is LeafKind.GONE and not self._records(leaf) and self.evidence.sees_through(leaf.node):
            services = {node.app_id for node in self.evidence.below(leaf.node)} - {leaf.node.app_id}
            hits = [c for c in self.set if c.node.app_id in services and c.kind is not LeafKind.UNSEEN]
        elif leaf.kind is LeafKind.UNSEEN:
            hits = [
                c
                for c in self.set
                if c.kind is not LeafKind.UNSEEN and (passing.get((leaf.node, c), 0) > 0 or c.node == leaf.node)
            ]
        return max(hits, key=lambda c: self.set[c].excess) if hits else None

    def _blame_what_became_slow(self, leaf: Leaf) -> None:
        """A resource ran out, and something below has become slow: the queue before it is a consequence."""
        if leaf.kind is not LeafKind.INTERNAL or not is_resource(leaf.label):
            return
        slower = self._slower_below(leaf.node)
        involved = {c.node for c in self.set} | {m.to.node for moves in self.moves.values() for m in moves}
        if slower and (leaf in self.set or involved & {move.to.node for move in slower}):
            self.moves[leaf] = slower

    def _slower_below(self, node: Node) -> list[Move]:
        for level in self.evidence.levels_below(node):
            added: dict[Node, float] = {}
            for below in level:
                change = self.evidence.slowdown(below, self.split)
                if change.ratio > SLOWER and change.deviation > SLOWER_DEVIATION and change.added_ns > SLOWER_NS:
                    added[below] = change.added_ns
            if added:
                whole = sum(added.values())
                return [Move(Leaf(n, LeafKind.SLOW, ""), ns / whole) for n, ns in added.items()]
        return []

    # Lost telemetry

    def _records(self, leaf: Leaf) -> bool:
        return leaf.node.app_id in self.evidence.recording

    def _drop_lost(self) -> None:
        """A server span is missing as often below calls that ended well: then nobody was gone."""
        if not self.rules.lost:
            return
        share = self.evidence.lost_share(self.split)
        through: dict[Node, int] = {}
        for track in self.evidence.tracks:
            after = sum(c.traced for i, c in track.counts.items() if i >= self.split.at)
            for node in {step.node for step in track.chain}:
                through[node] = through.get(node, 0) + after
        for leaf in list(self.set):
            if leaf.kind is LeafKind.GONE and self._records(leaf):
                expected = share * through.get(leaf.node, 0)
                if self.set[leaf].excess < LOST_FACTOR * expected:
                    del self.set[leaf]

    def _drop_leaks(self) -> None:
        """The same failure seen one step too high, because the deeper span is missing.

        It then looks as it does on the way to the deeper one: an exception of its own is no leak.
        """
        if not self.rules.lost:
            return
        passing = self._passing()
        for leaf in list(self.set):
            if leaf.kind not in (LeafKind.SLOW, LeafKind.RESULT) and any(
                passing.get((leaf.node, other), 0) > LEAK * self.set[leaf].excess
                and (leaf.kind is not LeafKind.INTERNAL or leaf.label in self._labels_towards(leaf.node, other))
                for other in self.set
                if other != leaf
            ):
                del self.set[leaf]

    def _labels_towards(self, node: Node, leaf: Leaf) -> set[str]:
        """What a node says of its failure when the walk goes on from it to a leaf."""
        return {
            step.label
            for track in self.evidence.tracks
            if track.leaf == leaf
            for step in track.chain[:-1]
            if step.node == node
        }

    # The answer

    def _by_service(self) -> tuple[Named, ...]:
        by_service: dict[str, list[Candidate]] = {}
        for candidate in self.set.values():
            by_service.setdefault(candidate.leaf.node.app_id, []).append(candidate)
        named = []
        for app_id, leaves in by_service.items():
            excess = sum(c.excess for c in leaves)
            strongest = tuple(sorted(leaves, key=lambda c: (-c.excess, c.leaf)))
            named.append(Named(app_id, excess, min(1.0, excess / max(self.total, excess, 1e-9)), strongest))
        return tuple(sorted(named, key=lambda n: (-n.excess, n.app_id)))

    def _rising(self) -> tuple[Candidate, ...]:
        """What rose and is not in the set, the most first."""
        others = [
            Candidate(leaf, self._excess(leaf), *self.counts[leaf], 0.0)
            for leaf in self.counts
            if leaf not in self.set and self._excess(leaf) >= 1
        ]
        return tuple(sorted(others, key=lambda c: (-c.excess, c.leaf)))
