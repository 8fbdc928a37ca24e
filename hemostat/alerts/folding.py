"""Folding the inbox: from raw bodies, in the order they were committed, to the state of alerts and what it means.

One process folds at a time, the engine's leader. It holds the open alerts in memory and writes, in one transaction,
what changed together with how far it has read; so what is stored is always the state after exactly the groups that
count as read, whoever goes on from there and whenever the last one died. A transaction that holds an event commits
synchronously; one that only extends alerts may be lost and is then done again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import InterfaceError, OperationalError, transaction

from hemostat.alerts import store
from hemostat.alerts.models import Alert as AlertRow
from hemostat.alerts.rules import labels as words
from hemostat.alerts.rules.ledger import Alert, Happening, Ledger
from hemostat.base import clock
from hemostat.catalog.models import Environment
from hemostat.events.actions import record_all
from hemostat.events.rules import SYSTEM, NewEvent, Ref
from hemostat.intake import actions as intake
from hemostat.intake.frames import FrameError
from hemostat.intake.models import Source
from hemostat.intake.queries import InboxRow, cursors, inbox_after
from hemostat.intake.rules.limits import BadInputError
from hemostat.intake.sources import alertmanager

log = logging.getLogger(__name__)

GROUPS = 64
"""Groups of one intake process that are folded in one step."""
WRITE_S = 1.0
"""How long alerts that were only extended may wait to be written."""
RENAME_S = 30.0
"""How often the names of sources and environments are read again."""


@dataclass(slots=True)
class _Memory:
    """What the process that folds holds; `read` may be ahead of `stored` by what was only extended."""

    ledger: Ledger
    read: dict[int, int] = field(default_factory=dict)
    """proc → the last group folded"""
    stored: dict[int, int] = field(default_factory=dict)
    """proc → the last group whose result is stored"""
    parked: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    """proc → groups put aside since, with the reason"""
    written_at: datetime | None = None

    @property
    def moves(self) -> list[intake.Move]:
        """How far the cursors are behind."""
        return [
            intake.Move(proc, self.stored[proc], position, tuple(self.parked.get(proc, ())))
            for proc, position in sorted(self.read.items())
            if position != self.stored[proc]
        ]


class Folding:
    """The process that folds. Not thread-safe: one loop calls `step`."""

    def __init__(self) -> None:
        self._memory: _Memory | None = None
        self._sources: dict[int, tuple[str, str]] = {}
        self._environments: Collection[str] = ()
        self._named_at: datetime | None = None
        self._one_by_one = 0

    def forget(self) -> None:
        """Drop everything; the next step goes on from what is stored."""
        self._memory = None
        self._named_at = None

    def step(self, now: datetime) -> int:
        """Fold what has come; returns how many groups that were (0: everything is folded).

        Never leaves memory ahead of a transaction that failed: then everything is read again from what is stored.
        """
        try:
            return self._step(now)
        except (OperationalError, InterfaceError, intake.CursorMovedError):
            self.forget()
            raise
        except Exception:
            # One of these groups cannot be folded. Each is now folded alone, until the culprit is found and put aside.
            log.exception("a group of alerts cannot be folded")
            self.forget()
            self._one_by_one = GROUPS * max(1, len(cursors()))
            return 1

    def _step(self, now: datetime) -> int:
        memory = self._catch_up(now)
        ledger = memory.ledger
        careful = self._one_by_one > 0
        rows = inbox_after(memory.read, 1)[:1] if careful else inbox_after(memory.read, GROUPS)
        if careful:
            self._one_by_one = self._one_by_one - 1 if rows else 0
        for row in rows:
            self._fold(row, memory)
        if not rows:
            ledger.expire(now.timestamp())
        overdue = memory.written_at is None or (now - memory.written_at).total_seconds() >= WRITE_S
        if ledger.happened or ((overdue or careful) and memory.read != memory.stored):
            try:
                self._write(memory, now)
            except (OperationalError, InterfaceError, intake.CursorMovedError):
                raise
            except Exception as error:
                if not careful or not rows:
                    raise
                self._put_aside(rows[0], memory.stored[rows[0].proc], error)
        return len(rows)

    def _catch_up(self, now: datetime) -> _Memory:
        """What is held, made anew from what is stored when somebody else has moved on."""
        stored = cursors()
        memory = self._memory
        if memory is None or any(stored.get(proc) != position for proc, position in memory.stored.items()):
            rows = AlertRow.objects.filter(resolved_at__isnull=True)
            memory = self._memory = _Memory(Ledger([_read(row) for row in rows]))
        for proc, position in stored.items():
            memory.stored.setdefault(proc, position)
            memory.read.setdefault(proc, position)
        if self._named_at is None or (now - self._named_at).total_seconds() >= RENAME_S:
            self._name(now)
        return memory

    def _name(self, now: datetime) -> None:
        self._sources = {
            pk: (name, slug) for pk, name, slug in Source.objects.values_list("pk", "name", "environment__slug")
        }
        self._environments = frozenset(Environment.objects.values_list("slug", flat=True))
        self._named_at = now

    def _fold(self, row: InboxRow, memory: _Memory) -> None:
        """Fold one group; one that cannot be read is put aside, the others go on."""
        try:
            sent = [(self._environment_of(source), source, alertmanager.read(body)) for source, body in row.bodies()]
        except (FrameError, BadInputError, LookupError) as error:
            log.error("group %d of process %d cannot be read: %s", row.id, row.proc, error)  # noqa: TRY400
            memory.parked.setdefault(row.proc, []).append((row.id, str(error)))
            sent = []
        for default, source, readings in sent:
            for reading in readings:
                environment = words.environment(reading.labels, self._environments, default)
                memory.ledger.take(source, reading, row.received_at, environment)
        memory.read[row.proc] = row.id

    def _environment_of(self, source: int) -> str:
        if source not in self._sources:
            self._name(self._named_at or clock.now())
        if source not in self._sources:
            raise LookupError(f"source: wanted one that exists, found {source}")
        return self._sources[source][1]

    def _write(self, memory: _Memory, now: datetime) -> None:
        changes = memory.ledger.drain()
        with transaction.atomic():
            if not changes.happenings:
                store.relax_durability()
            intake.move_cursors(memory.moves)
            if changes.changed:
                store.update(changes.changed)
            if changes.born:
                store.insert(changes.born)
            record_all([self._event(happening, alert) for happening, alert in changes.happenings])
        memory.stored = dict(memory.read)
        memory.parked = {}
        memory.written_at = now

    def _put_aside(self, row: InboxRow, before: int, error: Exception) -> None:
        """Park the one group that cannot be stored."""
        log.error("group %d of process %d is put aside: %s", row.id, row.proc, error)
        reason = (row.id, f"cannot be stored: {error}".replace("\0", ""))
        with transaction.atomic():
            intake.move_cursors([intake.Move(row.proc, before, row.id, (reason,))])
        self.forget()

    def _event(self, happening: Happening, alert: Alert) -> NewEvent:
        name, app_id = words.name(alert.labels), words.app_id(alert.labels)
        subjects = [Ref("alert", str(alert.id), name)]
        if app_id:
            subjects.append(Ref("service", app_id[:80], app_id))
        params: dict[str, object] = {
            "name": name,
            "level": words.level(alert.labels).value,
            "environment": alert.environment,
            "source": self._sources[alert.source][0],
            "app_id": app_id,
            "summary": alert.annotations.get("summary", ""),
            "starts_at": datetime.fromtimestamp(alert.starts_at, UTC).isoformat(),
        }
        if happening is Happening.RESOLVED:
            params["lasted_s"] = round((alert.resolved_at or alert.ends_at) - alert.starts_at, 3)
        return NewEvent(f"alerts.{happening.value}", SYSTEM, subjects, params)


def _read(row: AlertRow) -> Alert:
    return Alert(
        source=row.source_id,
        fingerprint=bytes(row.fingerprint),
        environment=row.environment,
        labels=row.labels,
        annotations=row.annotations,
        generator_url=row.generator_url,
        starts_at=row.starts_at.timestamp(),
        ends_at=row.ends_at.timestamp(),
        ends_by_timeout=row.ends_by_timeout,
        last_seen_at=row.last_seen_at.timestamp(),
        received=row.received,
        id=row.pk,
    )
