"""Generated call graphs, from spans to the named cause, scored strictly. `python -m chains` style runs
use more seeds.
"""

from __future__ import annotations

import pytest

from tests.diagnosis.chains import generate, score, stream, window

SEEDS = (3, 5, 8, 13, 17, 18, 19)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cause_its_operation_and_the_exact_set_are_found(seed: int) -> None:
    case = generate(seed, size=8, rate=10, before_s=80, after_s=50)
    if case is None:
        pytest.fail(f"seed {seed} is not decidable: choose another")
    result = score(case, window(stream(case)))
    assert (result.first, result.operation, result.exact) == (True, True, True), result.named
    assert result.path_right == result.path_named == result.path_true


def test_twenty_seconds_after_the_onset_the_cause_is_named() -> None:
    right = 0
    for seed in SEEDS:
        case = generate(seed, size=8, causes=1, before_s=80, after_s=30)
        assert case is not None
        right += score(case, window(stream(case, until=case.onset + 20)), since=case.onset).first
    assert right >= len(SEEDS) - 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_a_fault_nothing_is_named(seed: int) -> None:
    case = generate(seed, size=8, rate=10, before_s=80, after_s=50, causes=0)
    assert case is not None
    assert score(case, window(stream(case))).named == []
