"""The one way to do something later: a row with a due time, claimed under a lease.

A worker claims rows whose time has come (`FOR UPDATE SKIP LOCKED`), works, and finishes each in the transaction
that records its outcome. A worker that dies leaves a lease that expires; the row is then taken by another. A row
that keeps failing is parked, with the reason, where `hemostat doctor` and the pages show it.

The lease is a fencing token: a worker that lost its lease cannot finish the row (`LeaseLostError`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 8


class LeaseLostError(RuntimeError):
    """The row was taken by another worker since it was claimed."""


class Postponed(Exception):  # noqa: N818 - not an error: the row is simply not ready
    """Raised by a handler to undo its transaction and be called again at `until`; not counted as a failed try."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"postponed until {until:%H:%M:%S}")
        self.until = until


class DueRow(models.Model):
    """A row that something must be done about at `due_at`; null means nothing is due."""

    due_at = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    parked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @staticmethod
    def due_index(name: str) -> models.Index:
        """The partial index that claiming needs; `name` must be unique in the database."""
        return models.Index(fields=["due_at"], name=name, condition=Q(due_at__isnull=False, parked_at__isnull=True))


R = TypeVar("R", bound=DueRow)


def claim(
    model: type[R], *, now: datetime, limit: int = 100, lease: timedelta = LEASE, where: Q | None = None
) -> list[R]:
    """Take up to `limit` rows that are due (and meet `where`), oldest first, under one lease; commits at once."""
    token = uuid.uuid4()
    manager = model._default_manager
    with transaction.atomic():
        ids = list(
            manager.select_for_update(skip_locked=True)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
            .filter(where or Q(), due_at__lte=now, parked_at__isnull=True)
            .order_by("due_at")
            .values_list("pk", flat=True)[:limit]
        )
        if not ids:
            return []
        manager.filter(pk__in=ids).update(lease=token, lease_until=now + lease, attempts=F("attempts") + 1)
    rows: dict[object, R] = {row.pk: row for row in manager.filter(pk__in=ids)}
    return [rows[pk] for pk in ids if pk in rows]


def hold(row: R) -> R:
    """Lock `row` in the present transaction and return it fresh; raise `LeaseLostError` if it is no longer ours."""
    fresh = type(row)._default_manager.select_for_update().filter(pk=row.pk, lease=row.lease).first()
    if fresh is None or row.lease is None:
        raise LeaseLostError(f"{type(row).__name__} {row.pk} was taken by another worker")
    return fresh


def release(row: DueRow, *, due_at: datetime | None) -> None:
    """Set the fields that end a claim; `due_at` is the next time, None when all is done. The caller saves."""
    row.due_at = due_at
    row.lease = None
    row.lease_until = None
    if due_at is None or not row.last_error:
        row.attempts = 0


DUE_FIELDS: Sequence[str] = ("due_at", "lease", "lease_until", "attempts", "last_error", "parked_at")


def finish(row: DueRow, *, due_at: datetime | None) -> None:
    """End a claim on which there was nothing else to change: `release` and save those fields alone."""
    release(row, due_at=due_at)
    row.save(update_fields=list(DUE_FIELDS))


def backoff(attempts: int) -> timedelta:
    """How long to wait after the `attempts`-th failure: 1 s doubling to 5 min."""
    return timedelta(seconds=min(300.0, 2.0 ** max(0, attempts - 1)))


def fail(row: DueRow, *, now: datetime, error: str, max_attempts: int = MAX_ATTEMPTS) -> bool:
    """Record a failed try: a later due time, or parked after `max_attempts`. Returns whether it was parked."""
    row.last_error = error[:2000]
    row.lease = None
    row.lease_until = None
    if row.attempts >= max_attempts:
        row.parked_at = now
    else:
        row.due_at = now + backoff(row.attempts)
    row.save(update_fields=list(DUE_FIELDS))
    return row.parked_at is not None


def try_again(model: type[DueRow], *, now: datetime) -> int:
    """Make the parked rows of `model` due again, with all their tries; returns how many."""
    parked = model._default_manager.filter(parked_at__isnull=False)
    return parked.update(parked_at=None, attempts=0, due_at=now, lease=None, lease_until=None)


def next_due(model: type[DueRow]) -> datetime | None:
    """When the earliest open row of `model` falls due, leased ones at the end of their lease."""
    earliest: datetime | None = (
        model._default_manager.filter(due_at__isnull=False, parked_at__isnull=True)
        .annotate(wake=Greatest("due_at", "lease_until"))
        .order_by("wake")
        .values_list("wake", flat=True)
        .first()
    )
    return earliest


def work(model: type[R], handle: Callable[[R], None], *, now: Callable[[], datetime], limit: int = 100) -> int:
    """Claim what is due and handle row by row; one bad row never holds up the others. Returns how many were tried.

    `handle` runs in a transaction with the row locked, and must `release` and save it. An exception rolls its
    transaction back and counts as a failed try.
    """
    rows = claim(model, now=now(), limit=limit)
    for row in rows:
        try:
            with transaction.atomic():
                handle(hold(row))
        except LeaseLostError:
            continue
        except Postponed as postponed:
            release(row, due_at=postponed.until)
            row.save(update_fields=list(DUE_FIELDS))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is kept on the row
            fail(row, now=now(), error=f"{type(error).__name__}: {error}")
    return len(rows)
