"""Recording events and carrying out what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from hemostat.base import clock, due, wake
from hemostat.base.ids import uuid7
from hemostat.events import queries, registry
from hemostat.events.models import Event, Reaction, Subject
from hemostat.events.rules import NewEvent, Ref

BATCH = 1000
"""Rows written by one statement."""


def record(
    kind: str,
    *,
    actor: Ref,
    subjects: Sequence[Ref],
    params: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Event:
    """Write an event and, in the caller's transaction, a due row for each reaction to it.

    Must be called inside a transaction: the event and what it tells of are committed together or not at all.
    """
    return record_all([NewEvent(kind, actor, subjects, params or {}, at)])[0]


def record_all(news: Sequence[NewEvent]) -> list[Event]:
    """`record` for many at once, in their order, with a handful of statements whatever their number."""
    if news and not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"the event {news[0].kind} must be recorded in the transaction of what it tells of")
    present = clock.now()
    events = [_row(new, new.at or present) for new in news]
    Event.objects.bulk_create(events, batch_size=BATCH)
    Subject.objects.bulk_create(
        (
            Subject(event=event, kind=ref.kind, ref_id=ref.id, label=ref.label[:200])
            for event, new in zip(events, news, strict=True)
            for ref in dict.fromkeys(new.subjects)
        ),
        batch_size=BATCH,
    )
    reactions = [
        Reaction(event=event, name=name, due_at=event.at)
        for event in events
        for name in registry.reactions_of(event.kind)
    ]
    if reactions:
        Reaction.objects.bulk_create(reactions, batch_size=BATCH)
        wake.wake(wake.ENGINE, "reactions")
    return events


def _row(new: NewEvent, at: datetime) -> Event:
    return Event(
        id=uuid7(at),
        at=at,
        kind=new.kind,
        actor_kind=new.actor.kind,
        actor_id=new.actor.id,
        actor_label=new.actor.label,
        params=dict(new.params),
    )


def carry_out(reaction: Reaction) -> None:
    """Run one claimed reaction and mark it done, in one transaction."""
    event = queries.event(reaction.event_id)
    registry.handler(reaction.name)(event)
    reaction.done_at = clock.now()
    due.release(reaction, due_at=None)
    reaction.save()


def work_reactions(limit: int = 100) -> int:
    """Carry out the reactions that are due; returns how many were tried."""
    return due.work(Reaction, carry_out, now=clock.now, limit=limit)
