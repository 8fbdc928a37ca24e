"""Reading the record."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from hemostat.events.models import Event
from hemostat.events.rules import EventRecord, Ref


def _read(row: Event) -> EventRecord:
    return EventRecord(
        id=str(row.id),
        at=row.at,
        kind=row.kind,
        actor=Ref(row.actor_kind, row.actor_id, row.actor_label),
        subjects=tuple(Ref(s.kind, s.ref_id, s.label) for s in row.subjects.all()),
        params=row.params,
    )


def event(event_id: uuid.UUID | str) -> EventRecord:
    """One event; raises Event.DoesNotExist."""
    return _read(Event.objects.prefetch_related("subjects").get(pk=event_id))


def about(kind: str, ref_id: str, *, newest_first: bool = True, limit: int = 500) -> list[EventRecord]:
    """The events about one thing, two queries whatever their number."""
    rows: Iterable[Event] = (
        Event.objects.filter(subjects__kind=kind, subjects__ref_id=ref_id)
        .order_by("-id" if newest_first else "id")
        .prefetch_related("subjects")[:limit]
    )
    return [_read(row) for row in rows]


def last_id_about(kind: str, ref_id: str) -> str:
    """The id of the newest event about one thing, "" when there is none: what pages use as ETag."""
    newest = (
        Event.objects.filter(subjects__kind=kind, subjects__ref_id=ref_id)
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )
    return str(newest) if newest else ""
