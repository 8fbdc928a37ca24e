"""Rotations against a slow oracle that walks through time minute by minute, over many zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemostat.oncall.rules import Edge, Handoff, Rotation, instant, on_call, shift, shift_at, shifts

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",  # switched at midnight until 2019
    "America/Havana",  # switches at midnight
    "America/St_Johns",  # half-hour offset, switched at 00:01 until 2011
    "Africa/Cairo",  # switches at midnight
    "Africa/Casablanca",  # negative DST around Ramadan
    "Asia/Beirut",  # switches at midnight
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",  # DST of half an hour
    "Pacific/Apia",  # skipped 30 December 2011
    "Pacific/Kwajalein",  # skipped 21 August 1993
    "Pacific/Chatham",
    "Antarctica/Troll",  # DST of two hours
    "Europe/Dublin",
]
MINUTE = timedelta(minutes=1)

# Around real transitions, so that the oracle's small windows meet them often.
DAYS = [
    *(
        date(y, m, d)
        for y in (2010, 2018, 2024, 2026)
        for m, d in ((3, 28), (3, 31), (10, 27), (11, 1), (2, 17), (4, 5))
    ),
    date(2011, 12, 30),
    date(1993, 8, 21),
    date(2011, 11, 6),
    date(2018, 11, 4),
    date(2023, 4, 28),
    date(2026, 10, 25),
    date(2026, 3, 29),
]


def oracle_start(wall: datetime, tz: ZoneInfo) -> datetime:
    """The first minute at which the wall clock shows `wall` or later."""
    at = wall.replace(tzinfo=UTC) - timedelta(hours=40)
    while at.astimezone(tz).replace(tzinfo=None) < wall:
        at += MINUTE
    return at


def oracle_end(wall: datetime, tz: ZoneInfo) -> datetime:
    """The minute after the last one at which the wall clock shows less than `wall`."""
    at = wall.replace(tzinfo=UTC) + timedelta(hours=40)
    while at.astimezone(tz).replace(tzinfo=None) >= wall:
        at -= MINUTE
    return at + MINUTE


walls = st.builds(
    lambda day, shift_days, minute: datetime.combine(day, time()) + timedelta(days=shift_days, minutes=minute),
    st.sampled_from(DAYS),
    st.integers(-2, 2),
    st.integers(0, 24 * 60 - 1) | st.integers(0, 4 * 60),
)


@settings(max_examples=150, deadline=None)
@given(wall=walls, zone=st.sampled_from(ZONES))
def test_a_wall_clock_time_means_the_instant_that_walking_through_time_finds(wall: datetime, zone: str) -> None:
    tz = ZoneInfo(zone)
    assert instant(wall, tz, Edge.START) == oracle_start(wall, tz)
    assert instant(wall, tz, Edge.END) == oracle_end(wall, tz)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    anchor=st.sampled_from(DAYS),
    at=st.times(max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0, fold=0)),
    handoff=st.sampled_from(Handoff),
    people=st.integers(1, 4),
    moment=st.integers(-20 * 1440, 20 * 1440),
)
def test_who_is_on_call_agrees_with_the_last_hand_off_that_was_walked_past(
    zone: str, anchor: date, at: time, handoff: Handoff, people: int, moment: int
) -> None:
    tz = ZoneInfo(zone)
    days = 1 if handoff is Handoff.DAILY else 7
    rotation = Rotation(zone, handoff, anchor, at, tuple(range(people)))
    now = datetime.combine(anchor, at, UTC) + timedelta(minutes=moment)
    local = now.astimezone(tz).date()
    near = [(local - anchor).days // days + k for k in range(-3, 4)]
    starts = {n: oracle_start(datetime.combine(anchor + timedelta(days=n * days), at), tz) for n in near}
    expected = max(n for n in near if starts[n] <= now)
    found = shift_at(rotation, now)
    assert found is not None
    assert found.number == expected
    assert on_call(rotation, now) == expected % people
    assert found.start <= now < found.end


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    anchor=st.sampled_from(DAYS),
    at=st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0)),
    handoff=st.sampled_from(Handoff),
    number=st.integers(-1000, 1000),
)
def test_turns_follow_each_other_without_a_gap_far_into_past_and_future(
    zone: str, anchor: date, at: time, handoff: Handoff, number: int
) -> None:
    rotation = Rotation(zone, handoff, anchor, at, (1, 2, 3))
    before, after = shift(rotation, number), shift(rotation, number + 1)
    assert before.start <= after.start <= before.end
    assert before.end - after.start in {timedelta(minutes=m) for m in (0, 30, 60, 120)}
    assert on_call(rotation, after.start) == after.person or after.start == shift(rotation, number + 2).start


BERLIN = Rotation("Europe/Berlin", Handoff.DAILY, date(2026, 3, 27), time(2, 30), (1, 2, 3))


def test_a_hand_off_that_does_not_exist_is_the_first_instant_after_the_gap() -> None:
    assert shift(BERLIN, 2).start == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_an_ambiguous_hand_off_begins_at_the_first_and_ends_at_the_last_occurrence() -> None:
    number = (date(2026, 10, 25) - BERLIN.anchor).days
    assert shift(BERLIN, number).start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert shift(BERLIN, number - 1).end == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    in_overlap = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert on_call(BERLIN, in_overlap) == shift(BERLIN, number).person


def test_a_weekly_hand_off_keeps_its_wall_clock_time_over_a_change_of_the_clocks() -> None:
    rotation = Rotation("Europe/Berlin", Handoff.WEEKLY, date(2026, 3, 23), time(9), (1, 2))
    first, second = shift(rotation, 0), shift(rotation, 1)
    assert first.start == datetime(2026, 3, 23, 8, tzinfo=UTC)
    assert second.start == datetime(2026, 3, 30, 7, tzinfo=UTC)
    assert (second.start - first.start).total_seconds() == 167 * 3600


def test_intervals_are_half_open() -> None:
    start = shift(BERLIN, 5).start
    assert on_call(BERLIN, start) == shift(BERLIN, 5).person
    assert on_call(BERLIN, start - timedelta(seconds=1)) == shift(BERLIN, 4).person


def test_a_day_that_a_zone_skips_costs_nobody_but_its_holder_a_turn() -> None:
    apia = Rotation("Pacific/Apia", Handoff.DAILY, date(2011, 12, 28), time(0), (1, 2, 3, 4))
    assert shift(apia, 2).start == shift(apia, 3).start  # 30 December 2011 did not take place
    assert on_call(apia, shift(apia, 3).start) == 4


def test_the_same_rotation_gives_the_same_turns_from_wherever_one_asks() -> None:
    from_past = shifts(BERLIN, datetime(2026, 1, 1, tzinfo=UTC))
    seen = {s.number: s for s, _ in zip(from_past, range(200), strict=False)}
    for number in (-50, 0, 50):
        assert seen[number] == shift(BERLIN, number)


def test_a_rotation_without_people_has_nobody_on_call() -> None:
    assert (
        on_call(Rotation("UTC", Handoff.DAILY, date(2026, 1, 1), time(9), ()), datetime(2026, 1, 2, tzinfo=UTC)) is None
    )


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="time_zone"):
        shift(Rotation(name, Handoff.DAILY, date(2026, 1, 1), time(9), (1,)), 0)
