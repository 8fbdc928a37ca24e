"""Rotations: who is on call at any instant, past or future, by calendar arithmetic in the zone of the schedule.

A rotation is stored as wall-clock time and an IANA zone, never as instants: zone rules change late, and a day is not
always 24 hours. The n-th turn begins at the hand-off time of the n-th day (or week) after the anchor, counted in both
directions, so that the position is the same whoever asks and whenever.

A wall-clock time that does not exist (clocks go forward) means the first instant after the gap. One that exists twice
(clocks go back) means the first where a turn begins and the last where it ends; in that overlap the person who came
on last is on call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Handoff(StrEnum):
    """How often the turn passes on."""

    DAILY = "daily"
    WEEKLY = "weekly"


DAYS = {Handoff.DAILY: 1, Handoff.WEEKLY: 7}


class Edge(Enum):
    """Which instant an ambiguous wall-clock time means."""

    START = 0
    END = 1


@dataclass(frozen=True)
class Rotation:
    """People who take turns; `people` are ids in the order of their turns."""

    time_zone: str
    handoff: Handoff
    anchor: date
    """The day on which the first person's first turn begins, in the zone."""
    at: time
    """Wall-clock time of every hand-off."""
    people: tuple[int, ...]


@dataclass(frozen=True)
class Shift:
    """One turn of one person: from `start` up to, not including, `end` (UTC)."""

    number: int
    person: int
    start: datetime
    end: datetime


def zone(name: str) -> ZoneInfo:
    """The IANA zone called `name`; raises ValueError naming it when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time_zone: no IANA zone is called {name!r}") from error


def instant(wall: datetime, tz: ZoneInfo, edge: Edge) -> datetime:
    """The UTC instant that the naive wall-clock time `wall` means in `tz`.

    In a gap: the gap's end. Ambiguous: the first occurrence for `Edge.START`, the last for `Edge.END`.
    """
    first = wall.replace(tzinfo=tz, fold=0)
    second = wall.replace(tzinfo=tz, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if after > before:
        return _gap_end(wall.replace(tzinfo=UTC) - after, wall.replace(tzinfo=UTC) - before, tz)
    return (first if edge is Edge.START else second).astimezone(UTC)


def _gap_end(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the offset of `tz` changes, to the second."""
    old = low.astimezone(tz).utcoffset()
    left, right = 0, int((high - low).total_seconds())
    while right - left > 1:
        middle = (left + right) // 2
        if (low + timedelta(seconds=middle)).astimezone(tz).utcoffset() == old:
            left = middle
        else:
            right = middle
    return low + timedelta(seconds=right)


def shift(rotation: Rotation, number: int) -> Shift:
    """The turn `number` of a rotation that has people; 0 begins at the anchor, negative ones lie before it."""
    tz = zone(rotation.time_zone)
    days = DAYS[rotation.handoff]
    begins = datetime.combine(rotation.anchor + timedelta(days=number * days), rotation.at)
    ends = datetime.combine(rotation.anchor + timedelta(days=(number + 1) * days), rotation.at)
    return Shift(
        number=number,
        person=rotation.people[number % len(rotation.people)],
        start=instant(begins, tz, Edge.START),
        end=instant(ends, tz, Edge.END),
    )


def shift_at(rotation: Rotation, at: datetime) -> Shift | None:
    """The turn during which the instant `at` falls; None only for a rotation without people."""
    if not rotation.people:
        return None
    local = at.astimezone(zone(rotation.time_zone)).date()
    # A wall-clock date and an instant's date differ by less than two days even where a zone skips one.
    number = ((local - rotation.anchor).days + 2) // DAYS[rotation.handoff]
    while (found := shift(rotation, number)).start > at:
        number -= 1
    return found


def on_call(rotation: Rotation, at: datetime) -> int | None:
    """Who is on call at the instant `at`; None only for a rotation without people."""
    found = shift_at(rotation, at)
    return found.person if found else None


def shifts(rotation: Rotation, since: datetime) -> Iterator[Shift]:
    """The turns from the one that covers `since` on, without end; nothing for a rotation without people."""
    current = shift_at(rotation, since)
    while current is not None:
        yield current
        current = shift(rotation, current.number + 1)
