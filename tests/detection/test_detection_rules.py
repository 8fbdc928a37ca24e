"""Drops are seen soon, and never where only chance was at work."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.detection import rules
from hemostat.detection.rules import BUCKET_S, Baseline, Bucket, Fall, Span


def traffic(seconds: int, per_s: float, failing: float, *, start: int, rng: random.Random) -> list[Bucket]:
    """Buckets of requests that come and fail independently."""
    buckets = []
    for at in range(start, start + seconds, BUCKET_S):
        mean = per_s * BUCKET_S
        requests = sum(1 for _ in range(max(1, round(mean * 10))) if rng.random() < mean / max(1, round(mean * 10)))
        buckets.append(Bucket(at, requests, sum(rng.random() < failing for _ in range(requests))))
    return buckets


def seen_after(healthy: list[Bucket], per_s: float, failing: float, rng: random.Random, limit: int = 600) -> int | None:
    """Whole seconds after the onset at which the drop is seen, looking each second."""
    history = list(healthy)
    start = history[-1].at + BUCKET_S
    requests = failed = 0
    for second in range(limit):
        if second % BUCKET_S == 0:
            if second:
                history.append(Bucket(start + second - BUCKET_S, requests, failed))
            requests = failed = 0
        here = sum(rng.random() < per_s / 100 for _ in range(100))
        requests += here
        failed += sum(rng.random() < failing for _ in range(here))
        now = Bucket(start + second // BUCKET_S * BUCKET_S, requests, failed)
        if rules.find_fall([*history, now]):
            return second + 1
    return None


@pytest.mark.parametrize("seed", range(20))
def test_a_fall_from_99_9_to_97_percent_at_50_a_second_is_seen_within_15_seconds(seed: int) -> None:
    rng = random.Random(seed)
    healthy = traffic(1800, 50, 0.001, start=0, rng=rng)
    after = seen_after(healthy, 50, 0.03, rng)
    assert after is not None
    assert after <= 15


@pytest.mark.parametrize("seed", range(4))
def test_half_a_percent_of_errors_at_5_a_minute_is_no_drop_in_24_hours(seed: int) -> None:
    rng = random.Random(seed)
    day = traffic(86_400, 5 / 60, 0.005, start=0, rng=rng)
    assert sum(b.failed for b in day) > 10
    for end in range(1, len(day)):
        if day[end].failed:
            assert rules.find_fall(day[max(0, end - 420) : end + 1]) is None


@pytest.mark.parametrize("seed", range(5))
def test_steady_noise_of_two_percent_at_20_a_second_is_no_drop_in_two_hours(seed: int) -> None:
    rng = random.Random(seed)
    hours = traffic(7200, 20, 0.02, start=0, rng=rng)
    for end in range(20, len(hours)):
        assert rules.find_fall(hours[max(0, end - 420) : end + 1]) is None


@pytest.mark.parametrize("seed", range(5))
def test_noise_that_comes_in_bursts_is_no_drop_once_it_is_known(seed: int) -> None:
    rng = random.Random(seed)
    hours = [
        Bucket(b.at, b.requests, min(b.requests, b.failed + (12 if rng.random() < 0.02 else 0)))
        for b in traffic(3 * 3600, 20, 0.005, start=0, rng=rng)
    ]
    for end in range(720, len(hours)):
        assert rules.find_fall(hours[end - 420 : end + 1]) is None


def test_total_failure_is_seen_at_low_traffic() -> None:
    healthy = traffic(3600, 5 / 60, 0.0, start=0, rng=random.Random(1))
    quiet = [Bucket(3600 + i * 10, 1, 1) for i in range(6)]
    fall = rules.find_fall(healthy + quiet)
    assert fall is not None
    assert fall.current == 0
    assert fall.onset == 3600
    assert rules.find_fall(healthy + quiet[:3]) is None


def test_without_a_baseline_nothing_is_claimed() -> None:
    assert rules.find_fall([]) is None
    assert rules.find_fall([Bucket(0, 20, 20), Bucket(10, 20, 20)]) is None


def test_the_onset_is_the_first_bad_bucket() -> None:
    healthy = [Bucket(i * 10, 100, 1) for i in range(60)]
    bad = [Bucket(600 + i * 10, 100, 40) for i in range(12)]
    fall = rules.find_fall(healthy + bad)
    assert isinstance(fall, Fall)
    assert fall.onset == 600
    assert fall.baseline == pytest.approx(0.99)
    assert fall.current == pytest.approx(0.6)


def test_a_drop_that_is_over_does_not_spoil_the_baseline_of_the_next() -> None:
    healthy = [Bucket(i * 10, 20, 0) for i in range(60)]
    first = [Bucket(600 + i * 10, 20, 10) for i in range(30)]
    between = [Bucket(900 + i * 10, 20, 0) for i in range(6)]
    second = [Bucket(960, 20, 10)]
    known = [Span(600, 900)]
    assert rules.find_fall(healthy + first + between + second, known) is not None
    assert rules.find_fall(healthy + first + between, known) is None


def test_recovery_needs_time_and_requests() -> None:
    def back(buckets: list[Bucket], now: float, fault: float = 0.9) -> bool:
        return rules.is_back(buckets, usual_failing=0.001, fault_failing=fault, now=now)

    bad = [Bucket(0, 100, 90)]
    good = [Bucket(10, 100, 0), Bucket(20, 100, 0)]
    assert not back(bad + good[:1], 20)
    assert back(bad + good, 30)
    assert not back([*bad, Bucket(10, 100, 60), Bucket(20, 100, 0)], 30)
    assert not back([*bad, Bucket(10, 1, 0), Bucket(20, 1, 0)], 30)
    assert not back(bad, 300), "traffic that vanished is no recovery"
    assert not back(bad + good[:1], 30, fault=0.03), "a small fault takes more requests to be ruled out"


@given(st.floats(0.0, 0.2), st.floats(0.02, 0.8))
def test_a_fault_that_lasts_rarely_looks_recovered(usual: float, more: float) -> None:
    fault = min(1.0, usual + more)
    needed = rules.evidence_needed(usual, fault)
    assert needed >= rules.MIN_GOOD
    assert fault == 1.0 or (1 - (fault - usual)) ** needed <= rules.MISSED + 1e-9 or needed == rules.MIN_GOOD


@given(st.integers(0, 40), st.integers(41, 400), st.integers(0, 30), st.integers(31, 5000))
def test_the_chance_is_one_of_a_distribution(k: int, n: int, k0: int, n0: int) -> None:
    usual = Baseline(n0, min(k0, n0), 3600, 1.0)
    tail = [math.exp(rules.log_chance(i, n, usual)) for i in (k, k + 1)]
    assert 0.0 < tail[1] <= tail[0] <= 1.0


def test_the_chance_agrees_with_counting_every_case() -> None:
    usual = Baseline(100, 3, 3600, 1.0)
    a, b, n = 3.5, 97.5, 12

    def term(x: int) -> float:
        beta = math.lgamma(x + a) + math.lgamma(n - x + b) - math.lgamma(n + a + b)
        norm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        return math.comb(n, x) * math.exp(beta + norm)

    for k in range(1, n + 1):
        exact = sum(term(x) for x in range(k, n + 1))
        assert math.exp(rules.log_chance(k, n, usual)) == pytest.approx(exact, rel=1e-6)
