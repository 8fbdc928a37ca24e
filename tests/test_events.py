"""The record: an event and what follows from it are committed together."""

from __future__ import annotations

import pytest
from django.db import transaction

from hemostat.events import actions, queries, registry
from hemostat.events.models import Reaction
from hemostat.events.rules import SYSTEM, EventRecord, Ref

pytestmark = pytest.mark.django_db(transaction=True)
THING = Ref("thing", "1", "a thing")


def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"thing\.happened"):
        actions.record("thing.happened", actor=SYSTEM, subjects=[THING])


def test_a_reaction_is_carried_out_once_and_a_failing_one_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def follow(event: EventRecord) -> None:
        seen.append(event.kind)
        if len(seen) == 1:
            raise ValueError("first try fails")

    monkeypatch.setattr(registry, "_by_kind", {"thing.happened": (registry.name_of(follow),)})
    monkeypatch.setattr(registry, "_handlers", {registry.name_of(follow): follow})
    with transaction.atomic():
        actions.record("thing.happened", actor=SYSTEM, subjects=[THING, THING])
    assert actions.work_reactions() == 1
    reaction = Reaction.objects.get()
    assert reaction.done_at is None
    assert reaction.last_error == "ValueError: first try fails"
    Reaction.objects.update(due_at=reaction.event.at)
    assert actions.work_reactions() == 1
    assert actions.work_reactions() == 0
    assert seen == ["thing.happened"] * 2
    assert [e.kind for e in queries.about("thing", "1")] == ["thing.happened"]
