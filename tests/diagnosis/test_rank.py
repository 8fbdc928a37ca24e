"""The rules of ranking, each where it decides."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.diagnosis.rules.answer import Verdict
from hemostat.diagnosis.rules.evidence import Slowdown, Split, Stretch, burstiness, likelihood_ratio, log_tail
from hemostat.diagnosis.rules.rank import Finding, Rules, rank
from hemostat.intake.rules.counts import Requests, Times, TokenCount
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.tally import Tally
from hemostat.intake.rules.walk import How, Leaf, LeafKind, Step, TokenKey

GATEWAY, ORDERS, PAYMENT = Node("gateway", "POST /buy"), Node("orders", "POST /orders"), Node("payment", "POST /charge")
STORE, HINTS = Node("orders-db", "INSERT"), Node("hints", "GET /hints")
REFUSED = Leaf(STORE, LeafKind.GONE, "ConnectionRefusedError")
BROKEN = Leaf(PAYMENT, LeafKind.INTERNAL, "TypeError")
USUAL = Leaf(ORDERS, LeafKind.INTERNAL, "UsualError")
START = 1_800_000_000
ONSET = START + 120


@dataclass
class Scene:
    """A window of twelve healthy and six later stretches, 100 requests each, filled by hand."""

    before: int = 12
    after: int = 6
    tallies: list[Tally] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tallies = [Tally() for _ in range(self.before + self.after)]
        for tally in self.tallies:
            tally.entry(GATEWAY).add(Requests(100, 0, 100, 0))
            for node in (GATEWAY, ORDERS, PAYMENT):
                tally.service(node.app_id).recording = True
                tally.node(node).calls += 100
            for callee in (ORDERS, PAYMENT):
                tally.edge(GATEWAY, callee).calls += 100
            tally.edge(ORDERS, STORE).calls += 100
            tally.node(STORE).calls += 100

    def fails(self, leaf: Leaf, before: int, after: int, via: tuple[Node, ...] = (), *, attempts: int = 1) -> None:
        """Let requests fail at a leaf: so many in all before, and after, spread evenly."""
        chain = tuple(Step(node, How.ERROR, "UpstreamError") for node in (GATEWAY, *via))
        chain = (*chain, Step(leaf.node, How.ERROR, leaf.label)) if chain[-1].node != leaf.node else chain
        for part, total in ((self.tallies[: self.before], before), (self.tallies[self.before :], after)):
            for i in range(total):
                tally = part[i % len(part)]
                tally.token(TokenKey(False, chain, leaf, ())).add(TokenCount(1, 1, 1))
                tally.failure(leaf, attempts)

    def ask(self, rules: Rules | None = None, since: float | None = None) -> Finding:
        """The finding of this window."""
        stretches = [Stretch(START + i * 10, 10, tally) for i, tally in enumerate(self.tallies)]
        return rank(stretches, rules=rules or Rules(), since=since)[1]


def names(finding: Finding) -> list[str]:
    """Services named, in order."""
    return [named.app_id for named in finding.named]


def test_what_rose_is_named_and_what_fails_as_always_is_not() -> None:
    scene = Scene()
    scene.fails(USUAL, 60, 31)
    scene.fails(REFUSED, 0, 40, (ORDERS,))
    finding = scene.ask()
    assert finding.verdict is Verdict.NAMED
    assert names(finding) == ["orders-db"]
    assert finding.split is not None
    assert finding.split.at == 12
    assert names(scene.ask(Rules(baseline=False))) == ["orders-db", "orders"]


def test_several_causes_at_once_are_all_in_the_set() -> None:
    scene = Scene()
    scene.fails(REFUSED, 0, 40, (ORDERS,))
    scene.fails(BROKEN, 1, 25)
    assert names(scene.ask()) == ["orders-db", "payment"]


def test_noise_alone_names_nothing() -> None:
    scene = Scene()
    scene.fails(USUAL, 60, 38)
    scene.fails(BROKEN, 9, 6)
    assert scene.ask().verdict is Verdict.UNKNOWN


def test_one_burst_is_no_lasting_change() -> None:
    scene = Scene(after=8)
    for _ in range(30):
        scene.tallies[12].token(TokenKey(False, (Step(GATEWAY, How.ERROR, ""),), BROKEN, ())).add(TokenCount(1, 1, 1))
    assert scene.ask().verdict is Verdict.UNKNOWN
    assert names(scene.ask(Rules(persistence=False))) == ["payment"]


def test_more_failures_only_because_of_more_calls_are_no_cause() -> None:
    scene = Scene()
    scene.fails(REFUSED, 0, 60, (ORDERS,))
    scene.fails(USUAL, 6, 21)
    for tally in scene.tallies[12:]:
        tally.node(ORDERS).calls += 600
    assert names(scene.ask()) == ["orders-db"]
    assert names(scene.ask(Rules(per_call=False))) == ["orders-db", "orders"]


def test_noise_that_comes_in_bursts_must_exceed_its_bursts() -> None:
    scene = Scene()
    chain = (Step(GATEWAY, How.ERROR, ""),)
    for i, n in ((1, 14), (6, 12), (13, 13), (14, 2), (16, 13)):
        scene.tallies[i].token(TokenKey(False, chain, USUAL, ())).add(TokenCount(n, n, 1))
    assert scene.ask(since=ONSET).verdict is Verdict.UNKNOWN
    assert names(scene.ask(Rules(bursts=False), since=ONSET)) == ["orders"]


def test_a_caller_that_usually_survives_its_callee_failed_by_itself() -> None:
    scene = Scene()
    for tally in scene.tallies:
        edge = tally.edge(GATEWAY, HINTS)
        edge.calls, edge.decisive, edge.caller_failed = 100, 10, 1
    scene.fails(Leaf(HINTS, LeafKind.INTERNAL, "KeyError"), 0, 30)
    assert names(scene.ask()) == ["gateway"]
    assert names(scene.ask(Rules(weak=False))) == ["hints"]


def test_a_full_pool_is_the_consequence_of_what_became_slow_below() -> None:
    scene = Scene()
    scene.fails(Leaf(ORDERS, LeafKind.INTERNAL, "PoolTimeoutError"), 0, 30)
    usual, slow = 5e6, 900e6
    for i, tally in enumerate(scene.tallies):
        for _ in range(20):
            ns = slow if i >= 12 else usual
            log = math.log(ns)
            tally.node(STORE).times.add(Times(1, log, log * log, ns))
    finding = scene.ask()
    assert names(finding) == ["orders-db"]
    assert finding.named[0].main.leaf.kind is LeafKind.SLOW
    assert names(scene.ask(Rules(exhaustion=False))) == ["orders"]


def test_a_full_pool_with_nothing_slow_below_is_itself_the_cause() -> None:
    scene = Scene()
    scene.fails(Leaf(ORDERS, LeafKind.INTERNAL, "PoolTimeoutError"), 0, 30)
    assert names(scene.ask()) == ["orders"]


def test_a_silent_peer_gives_its_failures_to_the_cause_seen_behind_it() -> None:
    scene = Scene()
    silent = Node("pricing", "POST /prices")
    for tally in scene.tallies:
        edge = tally.edge(silent, PAYMENT)
        edge.calls, edge.behind = 50, 50
    scene.fails(BROKEN, 0, 40)
    scene.fails(Leaf(silent, LeafKind.GONE, "http 500"), 0, 12)
    finding = scene.ask()
    assert names(finding) == ["payment"]
    assert finding.named[0].excess == 52
    assert names(scene.ask(Rules(hidden=False))) == ["payment", "pricing"]


def test_several_new_kinds_of_failure_at_one_operation_are_one_change() -> None:
    scene = Scene(before=12, after=12)
    for label in ("TimeoutError", "PoolError", "ResetError", "PipeError"):
        scene.fails(Leaf(STORE, LeafKind.GONE, label), 0, 5, (ORDERS,))
    for i in range(60):
        scene.fails(Leaf(Node("gateway", f"GET /{i}"), LeafKind.INTERNAL, "UsualError"), 6, 6)
    assert names(scene.ask(since=ONSET)) == ["orders-db"]
    assert scene.ask(Rules(novelty=False), since=ONSET).verdict is Verdict.UNKNOWN


def test_what_is_lost_as_often_below_good_calls_is_not_gone() -> None:
    scene = Scene()
    scene.fails(BROKEN, 0, 100)
    scene.fails(Leaf(PAYMENT, LeafKind.GONE, "UpstreamError"), 0, 20)
    assert "gone" in [c.leaf.kind for n in scene.ask().named for c in n.leaves]
    for tally in scene.tallies:
        left = tally.left()
        left.answered, left.unseen = 100, 8
    assert "gone" not in [c.leaf.kind for n in scene.ask().named for c in n.leaves]


def test_few_failures_are_named_as_a_guess_or_not_at_all() -> None:
    scene = Scene(before=4, after=8)
    scene.fails(BROKEN, 0, 8)
    finding = scene.ask(since=START + 40)
    assert (finding.verdict, finding.confidence) == (Verdict.WEAK, 0.5)
    scene = Scene(before=4, after=8)
    scene.fails(BROKEN, 0, 3)
    assert scene.ask(since=START + 40).verdict is Verdict.UNKNOWN


def test_a_known_onset_is_kept_to() -> None:
    scene = Scene(before=30, after=12)
    scene.fails(BROKEN, 0, 40)
    for i in range(3, 9):
        for _ in range(20):
            scene.tallies[i].token(TokenKey(False, (Step(GATEWAY, How.ERROR, ""),), REFUSED, ())).add(
                TokenCount(1, 1, 1)
            )
    finding = scene.ask(since=START + 300)
    assert finding.split is not None
    assert finding.split.at == 30
    assert names(finding) == ["payment"]


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.01, 0.99))
def test_the_tail_of_a_binomial_is_exact(k: int, more: int, p: float) -> None:
    n = k + more
    exact = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)) if n < 300 else 0.0
    if n < 300 and k > n * p:
        assert math.exp(log_tail(k, n, p)) == pytest.approx(exact, rel=1e-6)
    assert log_tail(k, n, p) <= 0


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 1000), st.integers(1, 1000))
def test_a_rise_is_never_less_likely_than_none(before: int, after: int, m0: int, m1: int) -> None:
    assert likelihood_ratio(before, after, Split(1, m0, m1)) >= -1e-9


def test_even_counts_are_no_bursts() -> None:
    split = Split(10, 1000, 100)
    assert burstiness(dict.fromkeys(range(10), 3), [100] * 11, split) == 1.0
    assert burstiness({0: 30}, [100] * 11, split) > 20


def test_a_slowdown_needs_something_to_compare() -> None:
    assert Slowdown.between(Times(), Times(5, 1, 1, 1)) == Slowdown(1.0, 0.0, 0.0)
