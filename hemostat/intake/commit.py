"""The group commit: many requests, one transaction, over libpq's own handle.

While one group is being committed, the requests that arrive wait for the next; it is sent as soon as the one before
is answered. Nobody waits for a tick, and the busier the door, the larger the groups. All requests of a group share
one future, which is done when PostgreSQL has confirmed the commit, and fails with whatever went wrong.

psycopg's cursors are left aside here: they cost more than the whole rest of a request. The statements of a group go
out in one pipeline, which PostgreSQL runs as one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import psycopg
from psycopg import pq

from hemostat.base import clock
from hemostat.intake.store import Statement

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
COMMIT_TIMEOUT_S = 15.0
"""A commit that takes longer is given up with its connection; senders are told to come again."""
BACKOFF_S = (0.1, 5.0)
"""First and longest wait between two tries to reach the database."""


class UnavailableError(RuntimeError):
    """What was sent could not be committed; the sender should try again."""


class Command(NamedTuple):
    """A prepared statement to run, with parameters in binary form."""

    name: str
    params: Sequence[bytes]


class Rows(NamedTuple):
    """What a command returned: its rows' columns in binary form."""

    rows: Sequence[Sequence[bytes | None]]


class Work(Protocol):
    """Where a group comes from and what becomes of it."""

    statements: Sequence[Statement]

    def connected(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """A connection was made; called in a thread before the first group goes over it."""
        ...

    def take(self) -> Sequence[Command]:
        """Everything that waits, as the commands of one transaction."""
        ...

    def committed(self, results: Sequence[Rows]) -> None:
        """What `take` gave is durable."""
        ...

    def failed(self, *, refused: bool) -> None:
        """What `take` gave is not stored, or it is not known whether it is; `refused`: the database said no to it."""
        ...


class GroupCommit:
    """One connection, one group in flight."""

    def __init__(self, conninfo: str, work: Work, *, pause_s: float = 0.0) -> None:
        """`pause_s`: the shortest time between the starts of two groups, for work that costs by the row."""
        self._conninfo = conninfo
        self._work = work
        self._pause = pause_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._current: asyncio.Future[None] | None = None
        self._in_flight = False
        self._scheduled = False
        self._results: list[Rows] = []
        self._error = ""
        self._not_before = 0.0
        self._guard: asyncio.TimerHandle | None = None
        self._socket = -1
        self._connecting: asyncio.Task[None] | None = None
        self._stopping = False
        self.groups = 0
        """groups committed since the start"""

    @property
    def available(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def start(self) -> None:
        """Connect, and go on trying; returns at once. Needs the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._connecting = self._loop.create_task(self._connect())

    async def stop(self) -> None:
        """Wait for the groups in flight and waiting, then let the connection go."""
        self._stopping = True
        deadline = clock.monotonic() + COMMIT_TIMEOUT_S
        while (self._in_flight or self._waiting) and self.available and clock.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        self._drop(UnavailableError("the door is closing"))

    def join(self) -> asyncio.Future[None]:
        """The future of the next group, for what was just put where `take` finds it. Raises `UnavailableError`.

        It is shared: await it through `asyncio.shield`, or a request that is cancelled takes the others with it.
        """
        if self._connection is None or self._loop is None:
            raise UnavailableError("the database is away")
        if self._waiting is None:
            self._waiting = self._loop.create_future()
            self._waiting.add_done_callback(_retrieve)
        if not self._in_flight and not self._scheduled:
            self._schedule(self._loop)
        return self._waiting

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = True
        wait = self._not_before - loop.time() if self._pause else 0.0
        if wait > 0:
            loop.call_later(wait, self._send)
        else:
            loop.call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        connection, loop = self._connection, self._loop
        if self._in_flight or self._waiting is None or connection is None or loop is None:
            return
        self._current, self._waiting = self._waiting, None
        self._results, self._error = [], ""
        self._in_flight = True
        self._not_before = loop.time() + self._pause
        try:
            commands = self._work.take()
            pgconn = connection.pgconn
            for command in commands:
                pgconn.send_query_prepared(
                    command.name.encode(), command.params, [pq.Format.BINARY] * len(command.params), pq.Format.BINARY
                )
            pgconn.pipeline_sync()
            self._flush()
        except Exception as error:  # whatever it is, the requests that wait for this group must hear of it
            log.exception("a group could not be sent")
            self._in_flight = False
            self._work.failed(refused=True)
            self._drop(UnavailableError(f"the group could not be sent: {error}"))
            self._reconnect()
            return
        self._guard = loop.call_later(COMMIT_TIMEOUT_S, self._timed_out)

    def _flush(self) -> None:
        if self._connection is not None and self._loop is not None and self._connection.pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        connection, loop = self._connection, self._loop
        if connection is None or loop is None:
            return
        try:
            if not connection.pgconn.flush():
                loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._lost(error)

    def _readable(self) -> None:
        connection = self._connection
        if connection is None:
            return
        pgconn = connection.pgconn
        try:
            pgconn.consume_input()
            while self._in_flight and not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    continue
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self._finish()
                    return
                self._keep(result)
        except psycopg.Error as error:
            self._lost(error)

    def _keep(self, result: pq.abc.PGresult) -> None:
        if result.status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            self._results.append(
                Rows([[result.get_value(row, column) for column in columns] for row in range(result.ntuples)])
            )
        elif result.status == pq.ExecStatus.COMMAND_OK:
            self._results.append(Rows(()))
        elif result.status == pq.ExecStatus.FATAL_ERROR and not self._error:
            self._error = result.error_message.decode(errors="replace").strip()

    def _finish(self) -> None:
        current, self._current = self._current, None
        self._in_flight = False
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        failure = self._settle()
        if current is not None and not current.done():
            if failure is None:
                current.set_result(None)
            else:
                current.set_exception(failure)
        if self._waiting is not None and not self._scheduled and self._loop is not None:
            self._schedule(self._loop)

    def _settle(self) -> UnavailableError | None:
        """Tell the work how its group ended; returns what its requests must be told, None for success."""
        try:
            if not self._error:
                self._work.committed(self._results)
                self.groups += 1
                return None
            log.error("a group was refused by the database: %s", self._error)
            self._work.failed(refused=True)
        except Exception:  # a mistake in the book-keeping must not leave the requests waiting for ever
            log.exception("a group could not be settled")
        return UnavailableError("the database refused the group")

    def _timed_out(self) -> None:
        self._lost(TimeoutError(f"a commit took longer than {COMMIT_TIMEOUT_S:.0f} s"))

    def _lost(self, error: Exception) -> None:
        log.warning("the connection to the database was lost: %s", str(error).strip())
        self._drop(UnavailableError("the database went away"))
        self._reconnect()

    def _drop(self, reason: UnavailableError) -> None:
        """Close the connection and fail everybody who waits."""
        connection, self._connection = self._connection, None
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        if connection is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            connection.close()
        if self._in_flight:
            self._in_flight = False
            self._work.failed(refused=False)
        for future in (self._current, self._waiting):
            if future is not None and not future.done():
                future.set_exception(reason)
        self._current = self._waiting = None

    def _reconnect(self) -> None:
        if self._loop is not None and not self._stopping and (self._connecting is None or self._connecting.done()):
            self._connecting = self._loop.create_task(self._connect())

    def _open(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection ready for groups; blocks, so it runs in a thread."""
        connection = psycopg.connect(
            self._conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="hemostat intake"
        )
        try:
            connection.execute("set synchronous_commit = on")
            self._work.connected(connection)
            self._prepare(connection.pgconn)
            connection.pgconn.enter_pipeline_mode()
            connection.pgconn.nonblocking = 1
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, pgconn: pq.abc.PGconn) -> None:
        for statement in self._work.statements:
            result = pgconn.prepare(statement.name.encode(), statement.sql.encode())
            if result.status != pq.ExecStatus.COMMAND_OK:
                reason = result.error_message.decode(errors="replace").strip()
                raise psycopg.OperationalError(f"{statement.name}: {reason}")
        if self._stopping:
            raise psycopg.OperationalError("the door is closing")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        wait, longest = BACKOFF_S
        while not self._stopping:
            try:
                connection = await asyncio.to_thread(self._open)
            except psycopg.Error as error:
                log.warning("the database cannot be reached, next try in %.1f s: %s", wait, str(error).strip())
                await asyncio.sleep(wait)
                wait = min(longest, wait * 2)
                continue
            self._connection = connection
            self._socket = connection.pgconn.socket
            loop.add_reader(self._socket, self._readable)
            return


def _retrieve(future: asyncio.Future[None]) -> None:
    """Look at the outcome, so that a group whose requests are all gone is not reported as forgotten."""
    if not future.cancelled():
        future.exception()
