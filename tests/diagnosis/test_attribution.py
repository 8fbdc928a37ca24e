"""Counting from a stream: whatever the order of arrival, each request is counted once, within bounds that
are stated.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules import tally
from hemostat.intake.rules.attribution import KEEP_S, QUIET_S, ROOTLESS_S, Attribution, Counter
from hemostat.intake.rules.bounded import Bounded
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.sampling import Sampling
from hemostat.intake.rules.tally import Tally
from hemostat.intake.rules.walk import Leaf, LeafKind
from tests.diagnosis.shop import Shop

AT = 1_800_000_000.0
STORE = Leaf(Node("orders-db", "INSERT orders"), LeafKind.GONE, "ConnectionRefusedError")


class Rows:
    """The table that the intake overwrites."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str, str], dict[str, Any]] = {}

    def write(self, counters: Iterable[Counter]) -> None:
        """Overwrite what changed."""
        for c in counters:
            self.rows[(c.bucket_s, c.environment, c.key)] = c.payload

    def tally(self) -> Tally:
        """All rows added up."""
        whole = Tally()
        for (_, _, key), payload in self.rows.items():
            whole.absorb(key, payload)
        return whole


def warm(shop: Shop, attribution: Attribution) -> None:
    """Let healthy purchases teach who records and who does not, some time before."""
    for i in range(4):
        attribution.add(shop.purchase(AT - 300 + i), AT - 299 + i)
    attribution.take(AT - 200)
    attribution.take(AT - 20)


def requests(whole: Tally) -> tuple[int, int]:
    """Traced and failed requests."""
    return sum(r.traced for r in whole.requests.values()), sum(r.failed for r in whole.requests.values())


def leaves(whole: Tally) -> dict[Leaf, int]:
    """Failing requests by leaf."""
    found: dict[Leaf, int] = {}
    for key, count in whole.tokens.items():
        if count.traced:
            found[key.leaf] = found.get(key.leaf, 0) + count.traced
    return found


def facts(whole: Tally) -> dict[str, Any]:
    """Everything that was counted, in a form that can be compared."""
    return {
        "requests": {n: (r.traced, r.failed, r.weighted) for n, r in whole.requests.items()},
        "tokens": {k: (c.traced, c.first_ns, c.versions, c.manners) for k, c in whole.tokens.items() if c.traced},
        "nodes": {n: (c.calls, c.times.n, c.failures) for n, c in whole.nodes()},
        "edges": {
            (n, k): (e.calls, e.decisive, e.caller_failed) for n, c in whole.nodes() for k, e in c.callees.items()
        },
    }


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0.01, 0.15))
def test_the_order_in_which_spans_arrive_changes_nothing(rng: random.Random, pause: float) -> None:
    shop = Shop(store_refuses=True)
    spans = [span for i in range(6) for span in shop.purchase(AT + i)]

    def counted(order: list[SpanReading]) -> dict[str, Any]:
        attribution, rows, now = Attribution(), Rows(), AT
        for i in range(0, len(order), 4):
            attribution.add(order[i : i + 4], now)
            now += pause
            rows.write(attribution.take(now))
        rows.write(attribution.flush(now + 60))
        return facts(rows.tally())

    shuffled = list(spans)
    rng.shuffle(shuffled)
    assert counted(shuffled) == counted(spans)


def test_a_failing_request_is_counted_as_soon_as_its_entry_came_and_only_once() -> None:
    shop, attribution, rows = Shop(), Attribution(), Rows()
    warm(shop, attribution)
    shop.store_refuses = True
    attribution.add(shop.purchase(AT), AT + 1)
    rows.write(attribution.take(AT + 1))
    assert leaves(rows.tally()) == {STORE: 1}
    rows.write(attribution.take(AT + 3))
    rows.write(attribution.take(AT + 60))
    assert leaves(rows.tally()) == {STORE: 1}
    assert requests(rows.tally()) == (1, 1)
    assert attribution.open_spans == 0


def test_what_was_counted_early_is_corrected_when_deeper_spans_come() -> None:
    shop, attribution, rows = Shop(), Attribution(), Rows()
    warm(shop, attribution)
    shop.payment_version = "1.4.1"
    spans = shop.purchase(AT + 20)
    deep = [s for s in spans if s.app_id == "payment"]
    attribution.add([s for s in spans if s.app_id != "payment"], AT + 21)
    rows.write(attribution.take(AT + 21))
    assert leaves(rows.tally()) == {}, "the walk is not settled: payment's span may still come"
    rows.write(attribution.take(AT + 28))
    assert [leaf.kind for leaf in leaves(rows.tally())] == [LeafKind.UNSEEN]
    attribution.add(deep, AT + 29)
    rows.write(attribution.take(AT + 31))
    assert leaves(rows.tally()) == {Leaf(Node("payment", "POST /charge"), LeafKind.INTERNAL, "TypeError"): 1}
    assert requests(rows.tally())[1] == 1


def test_a_request_without_its_entry_is_counted_when_nothing_more_can_be_expected() -> None:
    shop, attribution, rows = Shop(store_refuses=True), Attribution(), Rows()
    attribution.add(shop.purchase(AT)[:-1], AT + 1)
    rows.write(attribution.take(AT + 1 + QUIET_S))
    assert requests(rows.tally()) == (0, 0)
    rows.write(attribution.take(AT + 1 + ROOTLESS_S))
    assert requests(rows.tally()) == (1, 1)
    assert leaves(rows.tally()) == {STORE: 1}


def test_an_entry_whose_callers_never_record_is_known_as_one_after_three_times() -> None:
    shop, attribution, rows = Shop(), Attribution(), Rows()

    def called_from_outside(at: float) -> list[SpanReading]:
        spans = shop.purchase(at)
        spans[-1].parent_id = b"outsider"
        return spans

    for i in range(3):
        attribution.add(called_from_outside(AT + i), AT + i + 1)
    rows.write(attribution.take(AT + 100))
    shop.store_refuses = True
    attribution.add(called_from_outside(AT + 100), AT + 101)
    rows.write(attribution.take(AT + 103))
    assert leaves(rows.tally()) == {STORE: 1}


def test_spans_that_come_after_their_trace_was_counted_are_told_as_late() -> None:
    shop, attribution, rows = Shop(), Attribution(), Rows()
    warm(shop, attribution)
    spans = shop.purchase(AT)
    attribution.add(spans, AT + 1)
    rows.write(attribution.take(AT + 5))
    attribution.add(spans[:2], AT + 6)
    rows.write(attribution.take(AT + 60))
    assert rows.tally().remainder.late_spans == 2
    assert requests(rows.tally()) == (1, 0)


def test_open_traces_are_bounded_and_what_is_cut_is_told() -> None:
    shop, rows = Shop(), Rows()
    attribution = Attribution(max_open_spans=50)
    for i in range(40):
        attribution.add(shop.purchase(AT + i / 10)[:-1], AT + 5)
        assert attribution.open_spans <= 50
    rows.write(attribution.take(AT + 6))
    assert rows.tally().remainder.cut_traces > 25
    assert requests(rows.tally())[0] == rows.tally().remainder.cut_traces


def test_above_the_budget_fewer_traces_weigh_more_and_the_sum_stays_right() -> None:
    shop, rows = Shop(store_refuses=True), Rows()
    attribution = Attribution(budget=500)
    for i in range(400):
        attribution.add(shop.purchase(AT + i / 400), AT + 1)
    rows.write(attribution.flush(AT + 10))
    whole = rows.tally()
    (entry,) = whole.requests.values()
    assert attribution.share < 1
    assert entry.traced < 200
    assert entry.weighted == pytest.approx(400, rel=0.35)
    assert whole.remainder.sampled_out > 0


def test_every_process_leaves_out_the_same_traces() -> None:
    one, other = Sampling(100), Sampling(100)
    one.accepted(150, AT)
    other.accepted(390, AT)
    ids = [random.Random(i).randbytes(16) for i in range(2000)]
    kept_by_one = {i for i in ids if one.weight(i)}
    kept_by_other = {i for i in ids if other.weight(i)}
    assert one.share == 2 * other.share
    assert kept_by_other < kept_by_one
    assert len(kept_by_one) == pytest.approx(2000 * one.share, rel=0.1)


def test_sampling_ends_when_a_minute_was_calm() -> None:
    sampling = Sampling(100)
    sampling.accepted(150, AT)
    for second in range(1, 61):
        sampling.accepted(30, AT + second)
    assert sampling.share == 0.5
    sampling.accepted(30, AT + 61)
    sampling.accepted(30, AT + 62)
    assert sampling.share == 1.0


def test_spans_weigh_what_their_sender_says() -> None:
    shop, attribution, rows = Shop(store_refuses=True), Attribution(), Rows()
    spans = shop.purchase(AT)
    for span in spans:
        span.weight = 20.0
    attribution.add(spans, AT + 1)
    rows.write(attribution.take(AT + 10))
    (token,) = rows.tally().tokens.values()
    assert (token.weighted, token.traced) == (20.0, 1)


def test_names_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_OPERATIONS", 20)
    attribution, rows = Attribution(), Rows()
    for i in range(100):
        operation = f"GET /x{i}"
        span = SpanReading(
            i.to_bytes(16, "big"), b"span0001", b"", SpanKind.SERVER, operation, int(AT * 1e9), int(AT * 1e9) + 1,
            "production", "gateway", entry=operation, failed=True,
        )  # fmt: skip
        attribution.add([span], AT)
    rows.write(attribution.take(AT + 5))
    whole = rows.tally()
    assert len(whole.services["gateway"].operations) == 21
    assert whole.services["gateway"].operations["(other)"].calls == 80
    assert requests(whole) == (100, 100)
    assert sum(leaves(whole).values()) == 100


def test_environments_are_counted_apart() -> None:
    shop, attribution = Shop(), Attribution()
    spans = shop.purchase(AT)
    others = shop.purchase(AT)
    for span in others:
        span.environment = "staging"
    attribution.add(spans + others, AT + 1)
    counters = attribution.take(AT + 30)
    by_environment = {c.environment for c in counters}
    assert by_environment == {"production", "staging"}
    for environment in by_environment:
        rows = Rows()
        rows.write(c for c in counters if c.environment == environment)
        assert requests(rows.tally()) == (1, 0)


def test_times_far_off_are_counted_in_the_nearest_open_bucket() -> None:
    shop, attribution = Shop(), Attribution()
    attribution.add(shop.purchase(AT - 86_400), AT)
    attribution.add(shop.purchase(AT + 86_400), AT)
    starts = {c.bucket_s for c in attribution.take(AT + 30)}
    assert min(starts) >= AT + 30 - KEEP_S - 10
    assert max(starts) <= AT + 30


def test_a_counter_is_given_again_only_when_it_changed() -> None:
    shop, attribution = Shop(), Attribution()
    warm(shop, attribution)
    attribution.add(shop.purchase(AT), AT + 1)
    assert attribution.take(AT + 5)
    assert attribution.take(AT + 6) == []
    attribution.add(shop.purchase(AT + 1), AT + 6)
    rows = Rows()
    rows.write(attribution.take(AT + 10))
    assert requests(rows.tally()) == (2, 0), "the new row holds the total, not the difference"


def test_rows_of_two_processes_add_up() -> None:
    shop, first, second = Shop(), Attribution(), Attribution()
    whole = Tally()
    for attribution in (first, second):
        attribution.add(shop.purchase(AT), AT + 1)
        for counter in attribution.take(AT + 30):
            whole.absorb(counter.key, counter.payload)
    assert requests(whole) == (2, 0)
    node = whole.find(Node("orders-db", "INSERT orders"))
    assert node is not None
    assert node.calls == 2


def test_a_row_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'new'"):
        Tally().absorb("new:1", {})


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=300))
def test_a_bounded_table_keeps_what_was_used_lately_and_no_more(steps: list[tuple[int, bool]]) -> None:
    table: Bounded[int, int] = Bounded(10)
    written: dict[int, int] = {}
    for i, (key, writes) in enumerate(steps):
        if writes:
            table[key] = written[key] = i
            assert table.get(key) == i
        else:
            assert table.get(key) in (None, written.get(key))
        assert len(table) <= 20
