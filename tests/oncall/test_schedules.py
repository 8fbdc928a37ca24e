"""Schedules as they are kept: who is on call is answered from what was stored, and bad input is refused by field."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from hemostat.base.refusals import RefusedError
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE
from hemostat.oncall import actions, queries
from hemostat.oncall.models import Schedule
from hemostat.oncall.rules import Handoff
from hemostat.people.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)


def person(name: str) -> User:
    return User.objects.create(email=f"{name}@example.org", name=name, created_at=NOW)


def add(*users: User, **changes: object) -> Schedule:
    values: dict[str, object] = {
        "name": "Primary",
        "time_zone": "Europe/Berlin",
        "handoff": Handoff.WEEKLY,
        "anchor": date(2026, 11, 16),
        "handoff_at": time(9),
        "users": users,
        "actor": CONSOLE,
    }
    return actions.add_schedule(**{**values, **changes})  # type: ignore[arg-type]


def test_the_stored_schedule_says_who_is_on_call_and_who_comes_next() -> None:
    anna, ben = person("Anna"), person("Ben")
    schedule = add(anna, ben)
    assert queries.on_call(schedule.pk, NOW) == anna
    assert queries.on_call(schedule.pk, datetime(2026, 11, 23, 8, 0, tzinfo=UTC)) == ben
    turns = queries.next_turns(schedule.pk, NOW, limit=3)
    assert [t.user for t in turns] == [anna, ben, anna]
    assert turns[0].end == turns[1].start == datetime(2026, 11, 23, 8, tzinfo=UTC)
    view = queries.schedules(NOW)[0]
    assert view.now is not None
    assert view.following is not None
    assert (view.slug, view.now.user, view.following.user) == ("primary", anna, ben)
    assert [e.kind for e in events.about("schedule", "primary")] == ["oncall.schedule_added"]


def test_a_schedule_whose_people_were_all_deleted_has_nobody_on_call() -> None:
    anna = person("Anna")
    schedule = add(anna)
    anna.delete()
    assert queries.on_call(schedule.pk, NOW) is None
    assert queries.schedules(NOW)[0].now is None
    assert queries.on_call(schedule.pk + 1, NOW) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": " "}, "name"), ({"users": ()}, "users"), ({"time_zone": "Berlin"}, "time_zone")],
)
def test_a_schedule_that_cannot_work_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        add(person("Anna"), **changes)
    assert refusal.value.field == field
    assert not Schedule.objects.exists()


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed() -> None:
    anna = person("Anna")
    add(anna)
    with pytest.raises(RefusedError) as refusal:
        add(anna, anna)
    assert refusal.value.conflict
    assert Schedule.objects.get().turns.count() == 1
