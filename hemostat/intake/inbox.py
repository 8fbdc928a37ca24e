"""Alerts on their way into the inbox: bodies that wait for the next commit group, and how far the engine is behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import psycopg

from hemostat.base import clock
from hemostat.intake import frames, store
from hemostat.intake.commit import Command, Rows
from hemostat.intake.store import Statement


class InboxWork:
    """What the group commit of alerts writes: one row a group."""

    statements: Sequence[Statement] = store.ALERT_STATEMENTS

    def __init__(self, proc: int) -> None:
        self._proc = proc
        self._bodies: list[tuple[int, bytes]] = []
        self._in_flight = 0
        self._packed = 0
        self._undrained: deque[tuple[int, int]] = deque()
        self.waiting_bytes = 0
        """bytes of bodies that no commit has confirmed yet"""
        self.backlog_bytes = 0
        """bytes of groups that are committed and that the engine has not folded"""

    def add(self, source: int, body: bytes) -> None:
        """Put a checked body where the next group finds it."""
        self._bodies.append((source, body))
        self.waiting_bytes += len(body)

    def drained(self, position: int) -> None:
        """The engine has folded this process's groups up to `position`."""
        while self._undrained and self._undrained[0][0] <= position:
            self.backlog_bytes -= self._undrained.popleft()[1]

    def connected(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Nothing to prepare: each group makes sure of the cursor that tells the engine of this process."""

    def take(self) -> Sequence[Command]:
        """The bodies that wait, as one row."""
        bodies, self._bodies = self._bodies, []
        self._in_flight = sum(len(body) for _, body in bodies)
        codec, data = frames.pack(bodies)
        at = clock.now().timestamp()
        self._packed = len(data)
        return [
            Command(
                store.INBOX.name,
                (
                    store.int8(self._proc), store.int2(store.INBOX_RING.slot(at)), store.float8(at),
                    store.int2(codec), store.int4(len(bodies)), data,
                ),
            )
        ]  # fmt: skip

    def committed(self, results: Sequence[Rows]) -> None:
        """Note the group's id, to know when the engine has folded it."""
        group = int.from_bytes(results[0].rows[0][0] or b"", "big")
        self._undrained.append((group, self._packed))
        self.backlog_bytes += self._packed
        self.waiting_bytes -= self._in_flight
        self._in_flight = 0

    def failed(self, *, refused: bool) -> None:  # noqa: ARG002 - either way the senders are told to send again
        """Forget the group: its senders are told to send again, and folding an alert twice changes nothing."""
        self.waiting_bytes -= self._in_flight
        self._in_flight = 0
        if not self._bodies:
            self.waiting_bytes = 0
