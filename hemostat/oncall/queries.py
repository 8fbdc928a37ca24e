"""Questions about who is on call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from hemostat.events.rules import Ref
from hemostat.oncall import rules
from hemostat.oncall.models import Schedule
from hemostat.oncall.rules import Handoff, Rotation
from hemostat.people.models import User


@dataclass(frozen=True)
class TurnView:
    """One turn of one person, half-open."""

    user: User
    start: datetime
    end: datetime


@dataclass(frozen=True)
class ScheduleView:
    """A schedule as lists show it."""

    id: int
    slug: str
    name: str
    time_zone: str
    handoff: Handoff
    people: tuple[User, ...]
    now: TurnView | None
    """None where nobody takes turns."""
    following: TurnView | None


def ref(schedule: Schedule) -> Ref:
    """How events name `schedule`."""
    return Ref("schedule", schedule.slug, schedule.name)


def rotation(schedule: Schedule) -> Rotation:
    """The pure rotation of a schedule."""
    return Rotation(
        time_zone=schedule.time_zone,
        handoff=Handoff(schedule.handoff),
        anchor=schedule.anchor,
        at=schedule.handoff_at,
        people=tuple(turn.user_id for turn in schedule.turns.all()),
    )


def on_call_ids(schedule_ids: Iterable[int], at: datetime) -> dict[int, int | None]:
    """Who is on call at `at` on each of several schedules that exist; None where nobody takes turns. Two queries."""
    rows = Schedule.objects.filter(pk__in=set(schedule_ids)).prefetch_related("turns")
    return {row.pk: rules.on_call(rotation(row), at) for row in rows}


def on_call(schedule_id: int, at: datetime) -> User | None:
    """Who is on call at `at`, active or not; None where nobody takes turns or the schedule does not exist."""
    person = on_call_ids([schedule_id], at).get(schedule_id)
    return User.objects.filter(pk=person).first() if person is not None else None


def next_turns(schedule_id: int, at: datetime, limit: int = 5) -> list[TurnView]:
    """The turn that covers `at` and those after it; raises Schedule.DoesNotExist."""
    return _turns(Schedule.objects.prefetch_related("turns__user").get(pk=schedule_id), at, limit)


def _turns(schedule: Schedule, at: datetime, limit: int) -> list[TurnView]:
    users = {turn.user_id: turn.user for turn in schedule.turns.all()}
    found = islice(rules.shifts(rotation(schedule), at), limit)
    return [TurnView(users[shift.person], shift.start, shift.end) for shift in found]


def schedules(at: datetime) -> list[ScheduleView]:
    """All schedules by name, with who is on call at `at` and who comes next; three queries."""
    views = []
    for row in Schedule.objects.prefetch_related("turns__user").order_by("name", "pk"):
        turns = [*_turns(row, at, 2), None, None]
        people = tuple(turn.user for turn in row.turns.all())
        views.append(
            ScheduleView(row.pk, row.slug, row.name, row.time_zone, Handoff(row.handoff), people, turns[0], turns[1])
        )
    return views


def by_slug(slug: str) -> Schedule | None:
    """The schedule with this slug."""
    return Schedule.objects.filter(slug=slug).first()
