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
from hemostat.events.rules import Ref


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
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"the event {kind} must be recorded in the transaction of what it tells of")
    moment = at or clock.now()
    event = Event.objects.create(
        id=uuid7(moment),
        at=moment,
        kind=kind,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        params=dict(params or {}),
    )
    Subject.objects.bulk_create(
        Subject(event=event, kind=ref.kind, ref_id=ref.id, label=ref.label[:200]) for ref in dict.fromkeys(subjects)
    )
    names = registry.reactions_of(kind)
    if names:
        Reaction.objects.bulk_create(Reaction(event=event, name=name, due_at=moment) for name in names)
        wake.wake(wake.ENGINE, "reactions")
    return event


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
