"""Severity, joining and the stage clocks, as product rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.base.texts import Text
from hemostat.catalog.rules import Tier
from hemostat.incidents.rules.clocks import ClockState, Milestones, clocks
from hemostat.incidents.rules.joining import JOIN_WITHIN, OpenIncident, choose
from hemostat.incidents.rules.severity import (
    FIRST_SEVERITY,
    LOWER_AFTER,
    Impact,
    Level,
    Severity,
    level_of_loss,
    next_severity,
    severity,
)
from hemostat.incidents.rules.states import Stage

T0 = datetime(2026, 11, 19, 14, 2, 31, tzinfo=UTC)


def minutes(n: float) -> datetime:
    return T0 + timedelta(minutes=n)


@pytest.mark.parametrize(
    ("before", "now", "tier", "expected"),
    [
        (0.999, 0.12, Tier.CORE, 0),
        (0.999, 0.12, Tier.NORMAL, 2),
        (0.999, 0.97, Tier.CORE, 1),
        (0.999, 0.97, Tier.IMPORTANT, 2),
        (0.999, 0.97, Tier.NORMAL, 3),
        (0.999, 0.99, Tier.CORE, 3),
        (0.999, 0.99, Tier.NORMAL, 4),
    ],
)
def test_severity_of_a_drop_follows_from_what_is_lost_and_the_tier(
    before: float, now: float, tier: Tier, expected: int
) -> None:
    level, lost = level_of_loss(before, now)
    assert severity([Impact(level, tier, "Checkout", lost)]).value == expected


def test_every_level_and_tier_has_a_severity_and_more_never_means_less() -> None:
    for tier in Tier:
        by_level = [FIRST_SEVERITY[level, tier] for level in Level]
        assert by_level == sorted(by_level, reverse=True)
    for level in Level:
        by_tier = [FIRST_SEVERITY[level, tier] for tier in Tier]
        assert by_tier == sorted(by_tier)


def test_the_worst_signal_decides_and_says_why() -> None:
    small = Impact(Level.WARNING, Tier.NORMAL, "Mailer", 0.01)
    big = Impact(Level.FATAL, Tier.CORE, "Payment", 0.88)
    found = severity([small, big])
    assert found.value == 0
    assert found.reason.params["service"] == "Payment"
    assert found.reason.params["lost"] == 0.88


def test_severity_rises_at_once_and_falls_only_when_it_stayed_lower() -> None:
    worse, better = Severity(0, Text("x")), Severity(3, Text("x"))
    assert next_severity(1, worse, lower_since=None, now=T0) is worse
    assert next_severity(1, better, lower_since=T0, now=T0 + LOWER_AFTER - timedelta(seconds=1)) is None
    assert next_severity(1, better, lower_since=T0, now=T0 + LOWER_AFTER) is better
    assert next_severity(1, Severity(1, Text("x")), lower_since=None, now=T0) is None


def incident(id: int, around: set[str], minutes_ago: float = 1, failing: bool = True) -> OpenIncident:
    return OpenIncident(id, frozenset(around), minutes(-minutes_ago), failing)


def test_a_signal_joins_the_incident_whose_neighbourhood_it_shares() -> None:
    candidates = [incident(1, {"mailer"}), incident(2, {"gateway", "checkout", "orders"})]
    assert choose(candidates, {"checkout"}, T0) == 2
    assert choose(candidates, {"search"}, T0) is None
    assert choose([], {"checkout"}, T0) is None


def test_it_joins_the_one_it_shares_most_with_and_the_older_on_a_tie() -> None:
    candidates = [incident(5, {"a", "b"}), incident(3, {"a", "c"}), incident(9, {"a", "b", "c"})]
    assert choose(candidates, {"a", "b", "c"}, T0) == 9
    assert choose(candidates, {"a"}, T0) == 3


def test_an_incident_that_no_longer_fails_takes_new_signals_for_ten_minutes_only() -> None:
    age = JOIN_WITHIN.total_seconds() / 60
    assert choose([incident(1, {"a"}, age, failing=False)], {"a"}, T0) == 1
    assert choose([incident(1, {"a"}, age + 0.1, failing=False)], {"a"}, T0) is None
    assert choose([incident(1, {"a"}, age + 60, failing=True)], {"a"}, T0) == 1


def test_clocks_of_a_fresh_incident_run_towards_triage_in_five_minutes() -> None:
    found = clocks(Milestones(minutes(-0.5), T0, None, None, None), 0, minutes(2))
    assert [c.state for c in found] == [ClockState.DONE, ClockState.NOW] + [ClockState.AHEAD] * 3
    assert found[0].took_s == 30
    assert found[1].left_s == 180
    assert found[1].filled == pytest.approx(0.4)


def test_a_late_stage_shows_how_late() -> None:
    found = clocks(Milestones(T0, T0, minutes(1), None, None), 1, minutes(16))
    mitigate = found[2]
    assert (mitigate.stage, mitigate.state, mitigate.left_s) == (Stage.MITIGATE, ClockState.LATE, -60)


@pytest.mark.parametrize(("level", "hours"), [(0, 24), (1, 48)])
def test_the_postmortem_of_a_p0_is_due_in_a_day(level: int, hours: int) -> None:
    done = minutes(20)
    found = clocks(Milestones(T0, T0, minutes(1), minutes(9), done), level, done)
    assert found[4].left_s == hours * 3600 - 20 * 60


@given(st.lists(st.none() | st.integers(0, 300), min_size=3, max_size=3), st.integers(0, 6000))
def test_exactly_one_clock_runs_until_all_is_over(ends: list[int | None], at: int) -> None:
    times = [None if e is None else minutes(e) for e in ends]
    found = clocks(Milestones(T0, T0, *times), 2, minutes(at))
    assert sum(c.state in {ClockState.NOW, ClockState.LATE} for c in found) == 1
    assert all(0 <= c.filled <= 1 for c in found)
