"""Generated failures through OTLP decode, attribution and ranking: named right, and nothing where nothing fails."""

from __future__ import annotations

import pytest

from hemostat_evaluation.cases import Plan, case
from hemostat_evaluation.chains import cases, score, stretches
from hemostat_evaluation.world import Shape

SMALL = Plan(shape=Shape(services=(5, 25), hard=0.0))


def test_a_seed_is_a_case() -> None:
    first, again = case(7, SMALL), case(7, SMALL)
    assert first is not None
    assert again is not None
    assert first.truths == again.truths
    assert [len(b) for _, b in first.batches] == [len(b) for _, b in again.batches]


def test_kept_cases_are_decidable() -> None:
    for given in cases(100, 3, SMALL):
        assert all(truth.failures >= 10 for truth in given.truths)
        assert len({truth.service for truth in given.truths}) == len(given.truths)


@pytest.mark.parametrize("seed", [2000, 2010, 2020])
def test_the_first_named_is_right_down_to_the_operation(seed: int) -> None:
    given = next(cases(seed, 1, SMALL))
    found, _ = score(given, stretches(given))
    assert found.first
    assert found.operation


def test_nothing_is_named_where_nothing_fails_but_the_usual() -> None:
    given = next(cases(3000, 1, Plan(shape=SMALL.shape, healthy=True)))
    found, _ = score(given, stretches(given))
    assert found.said == ()
