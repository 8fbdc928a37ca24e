"""Histograms and distinct counts: right within their error, and merged by addition."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.intake.rules import histogram
from hemostat.intake.rules.distinct import REGISTERS, Distinct, union

durations = st.integers(1, 10**13)
counts = st.dictionaries(st.integers(0, 700), st.integers(1, 10**6), max_size=50)


def hashed(n: int, salt: int = 0) -> int:
    return int.from_bytes(hashlib.blake2b(b"%d-%d" % (salt, n), digest_size=8).digest(), "big")


@given(durations)
def test_a_bucket_stands_for_each_of_its_durations_within_2_5_percent(ns: int) -> None:
    ms = histogram.duration_ms(histogram.bucket_of(ns))
    assert ns <= 1000 or abs(ms - ns / 1e6) <= 0.0251 * ns / 1e6


@given(durations, durations)
def test_a_longer_duration_never_has_a_lower_bucket(one: int, other: int) -> None:
    assert (one <= other) <= (histogram.bucket_of(one) <= histogram.bucket_of(other))


@given(counts)
def test_a_stored_histogram_is_read_back(told: dict[int, int]) -> None:
    assert histogram.decode(histogram.encode(told)) == told


@given(st.lists(counts, max_size=5))
def test_merging_is_addition_in_any_order(parts: list[dict[int, int]]) -> None:
    merged = histogram.merge(parts)
    assert merged == histogram.merge(reversed(parts))
    assert sum(merged.values()) == sum(sum(p.values()) for p in parts)


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_that_of_the_durations_within_2_5_percent(all_ns: list[int], share: float) -> None:
    told: dict[int, int] = {}
    for ns in all_ns:
        told[histogram.bucket_of(ns)] = told.get(histogram.bucket_of(ns), 0) + 1
    exact = sorted(all_ns)[max(1, math.ceil(share * len(all_ns))) - 1]
    found = histogram.quantile_ms(told, share)
    assert found is not None
    assert exact <= 1000 or abs(found - exact / 1e6) <= 0.0251 * exact / 1e6


def test_no_requests_have_no_quantile() -> None:
    assert histogram.quantile_ms({}, 0.5) is None


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1000, 10_000, 100_000])
def test_distinct_counts_are_right_within_four_standard_errors(n: int) -> None:
    sketch = Distinct()
    for i in range(n):
        sketch.add(hashed(i))
        sketch.add(hashed(i))
    assert abs(sketch.count() - n) <= max(1, 4 * 1.04 / math.sqrt(REGISTERS) * n)


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)))
def test_the_union_of_sketches_is_the_sketch_of_the_union(one: set[int], other: set[int]) -> None:
    def sketch(members: set[int]) -> bytes:
        made = Distinct()
        for member in members:
            made.add(hashed(member))
        return made.encode()

    both = union([sketch(one), sketch(other)])
    assert both.encode() == sketch(one | other)
    assert union([sketch(other), sketch(one), b""]).encode() == both.encode()


@given(st.sets(st.integers(0, 2**64 - 1), max_size=600))
def test_a_stored_sketch_is_read_back(members: set[int]) -> None:
    made = Distinct()
    for member in members:
        made.add(member)
    assert Distinct.decode(made.encode()).encode() == made.encode()
    assert Distinct.decode(made.encode()).count() == made.count()


def test_a_stored_sketch_stays_small() -> None:
    few, many = Distinct(), Distinct()
    for n in range(3):
        few.add(hashed(n))
    for n in range(100_000):
        many.add(hashed(n))
    assert len(few.encode()) <= 10
    assert len(many.encode()) == REGISTERS + 1
