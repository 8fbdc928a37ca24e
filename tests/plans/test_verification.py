"""Has it helped? Only figures say so, and silence never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.plans.rules.plan import Verification
from hemostat.plans.rules.verification import (
    Evidence,
    Outcome,
    give_up_after,
    goal_of,
    judge,
    looked_at,
    wilson,
)

DONE = datetime(2026, 11, 19, 13, 8, 3, tzinfo=UTC)
LAB = Verification(window_s=20, min_requests=20)
LONG = Verification(window_s=120, min_requests=20)


def outcome(
    after_s: float, evidence: Evidence, verification: Verification = LAB, before: float | None = 0.12
) -> tuple[Outcome, str]:
    judged = judge(
        verification,
        baseline=0.999,
        before=before,
        steps_done_at=DONE,
        now=DONE + timedelta(seconds=after_s),
        evidence=evidence,
    )
    return judged.outcome, judged.reason.code


def test_at_the_end_of_the_window_the_share_decides() -> None:
    assert outcome(20, Evidence(0.992, 200)) == (Outcome.HELPED, "plans.kpi_is_back")
    assert outcome(30, Evidence(0.98, 200)) == (Outcome.DID_NOT_HELP, "plans.kpi_is_not_back")


def test_a_good_share_of_few_requests_must_wait_for_the_end_of_the_window() -> None:
    assert outcome(11, Evidence(1.0, 40))[0] is Outcome.NOT_YET
    assert outcome(20, Evidence(1.0, 40))[0] is Outcome.HELPED


def test_overwhelming_evidence_decides_after_half_the_window() -> None:
    assert outcome(59, Evidence(1.0, 5000), LONG)[0] is Outcome.NOT_YET
    assert outcome(60, Evidence(1.0, 5000), LONG)[0] is Outcome.HELPED
    assert outcome(59, Evidence(0.12, 5000), LONG)[0] is Outcome.NOT_YET
    assert outcome(60, Evidence(0.12, 5000), LONG) == (Outcome.DID_NOT_HELP, "plans.kpi_is_not_back")


def test_what_comes_back_slowly_is_given_its_time() -> None:
    assert outcome(60, Evidence(0.86, 5000), LONG)[0] is Outcome.NOT_YET
    assert outcome(149, Evidence(0.86, 5000), LONG)[0] is Outcome.NOT_YET
    assert outcome(150, Evidence(0.86, 5000), LONG)[0] is Outcome.DID_NOT_HELP


def test_a_plan_is_not_given_up_before_what_it_restarted_can_be_up() -> None:
    assert outcome(19, Evidence(0.0, 5000))[0] is Outcome.NOT_YET
    assert outcome(20, Evidence(0.0, 5000))[0] is Outcome.DID_NOT_HELP


def test_without_requests_nothing_has_helped() -> None:
    assert outcome(29, Evidence(None, 0))[0] is Outcome.NOT_YET
    assert outcome(30, Evidence(None, 0)) == (Outcome.DID_NOT_HELP, "plans.no_requests")


def test_too_few_requests_never_count_as_helped() -> None:
    assert outcome(29, Evidence(1.0, 19))[0] is Outcome.NOT_YET
    assert outcome(30, Evidence(1.0, 19)) == (Outcome.DID_NOT_HELP, "plans.too_few_requests")


def test_an_incident_of_alerts_is_over_when_they_are() -> None:
    assert outcome(3, Evidence(alerts_firing=0)) == (Outcome.HELPED, "plans.alerts_resolved")
    assert outcome(299, Evidence(alerts_firing=1))[0] is Outcome.NOT_YET
    assert outcome(300, Evidence(alerts_firing=1)) == (Outcome.DID_NOT_HELP, "plans.alerts_still_fire")


def test_the_goal_is_the_plans_own_or_the_baseline_less_the_tolerance() -> None:
    assert goal_of(Verification(goal=0.9), 0.999) == 0.9
    assert goal_of(Verification(tolerance=0.02), 0.99) == pytest.approx(0.97)
    assert goal_of(Verification(), None) == 0.99


@given(st.floats(0, 150), st.integers(10, 300))
def test_only_whole_buckets_after_the_steps_count(after_s: float, window_s: int) -> None:
    now = DONE + timedelta(seconds=after_s)
    since, until = looked_at(Verification(window_s=window_s), DONE, now)
    assert until == now
    assert since >= DONE
    assert since.timestamp() % 10 == 0
    if since < until:
        assert (until - since).total_seconds() <= max(10, window_s / 2) + 10


@given(
    st.floats(0, 400),
    st.one_of(st.none(), st.floats(0, 1)),
    st.integers(0, 10_000),
    st.integers(10, 200),
    st.integers(1, 100),
)
def test_every_run_ends_and_never_helps_below_its_goal(
    after_s: float, share: float | None, requests: int, window_s: int, wanted: int
) -> None:
    verification = Verification(window_s=window_s, min_requests=wanted)
    found, _ = outcome(after_s, Evidence(share if requests else None, requests), verification)
    if found is Outcome.HELPED:
        assert share is not None
        assert share >= 0.989 - 1e-9
        assert requests >= wanted
        assert after_s >= window_s / 2
    if after_s >= give_up_after(verification):
        assert found is not Outcome.NOT_YET


@given(st.floats(0, 1), st.integers(1, 100_000))
def test_the_interval_holds_the_share_and_narrows_with_evidence(share: float, requests: int) -> None:
    low, high = wilson(share, requests)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    wider = wilson(share, max(1, requests // 10))
    assert high - low <= wider[1] - wider[0] + 1e-9
