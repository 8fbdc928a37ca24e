"""Who may send: sources and their tokens in memory, what each has sent, and the door's other talk with the database.

Sources are read at the start, when somebody changes them (NOTIFY), and every 30 seconds; while the database is away
the last known ones are good. Nothing of a request's path waits for this connection.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import psycopg

from hemostat.base import clock, wake
from hemostat.base.ids import token_digest
from hemostat.intake import store

log = logging.getLogger(__name__)

Connection = psycopg.AsyncConnection[tuple[object, ...]]

RELOAD_S = 30.0
REPORT_S = 2.0
"""How often counts are written, and the engine's progress is read."""
RETRY_S = (0.2, 5.0)
NUDGE_S = 0.01
"""Shortest time between two wake-ups of the engine."""
MAX_REFUSAL = 500
MAX_CACHED_HEADERS = 10_000


@dataclass(slots=True)
class Sender:
    """A source as the door knows it, and what it sent since the last report."""

    id: int
    slug: str
    protocol: str
    environment: str
    accepted: int = 0
    refused: int = 0
    refusal: str = ""
    seen_at: datetime | None = None

    def accept(self, count: int) -> None:
        """Count alerts or spans that are stored."""
        self.accepted += count
        self.seen_at = clock.now()

    def refuse(self, count: int, reason: str) -> None:
        """Count alerts, spans or requests that were refused, and keep the latest reason."""
        self.refused += count
        self.refusal = reason.replace("\0", "\ufffd")[:MAX_REFUSAL]
        self.seen_at = clock.now()


def token_of(authorization: str) -> str:
    """The token in an Authorization header: bearer, or the password of basic authentication; "" for neither."""
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                pair = base64.b64decode(rest.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return ""
            return pair.partition(":")[2]
    return ""


class Senders:
    """The sources of the installation, kept fresh beside the requests."""

    def __init__(self, conninfo: str, proc: int, *, drained: Callable[[int], None]) -> None:
        """`drained` is told how far the engine has folded what `proc` committed."""
        self._conninfo = conninfo
        self._proc = proc
        self._drained = drained
        self._by_digest: dict[bytes, Sender] = {}
        self._by_header: dict[bytes, Sender] = {}
        self._retired: list[Sender] = []
        self._reload = asyncio.Event()
        self._nudge = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.loaded = False
        """whether the sources were read at least once"""

    def find(self, authorization: bytes) -> Sender | None:
        """The sender whose token is in an Authorization header."""
        sender = self._by_header.get(authorization)
        if sender is None:
            sender = self._by_digest.get(token_digest(token_of(authorization.decode("latin-1"))))
            if sender is not None and len(self._by_header) < MAX_CACHED_HEADERS:
                self._by_header[authorization] = sender
        return sender

    def wake_engine(self) -> None:
        """Tell the engine, soon, that there is something in the inbox."""
        self._nudge.set()

    def start(self) -> None:
        """Begin to read and report; returns at once."""
        self._tasks = [
            asyncio.create_task(self._keep(self._listen)),
            asyncio.create_task(self._keep(self._report)),
            asyncio.create_task(self._keep(self._nudge_engine)),
        ]

    async def stop(self) -> None:
        """End, with the last counts written if the database is there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(psycopg.Error):
            async with await self._connect() as connection:
                await self._write_counts(connection)

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=5, application_name="hemostat intake (housekeeping)"
        )

    async def _keep(self, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Run `use` on a connection of its own, again and again with back-off when the connection is lost."""
        shortest, longest = RETRY_S
        wait = shortest
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute("select 1")
                    wait = shortest
                    await use(connection)
            except psycopg.Error as error:
                log.warning("housekeeping lost the database, next try in %.1f s: %s", wait, str(error).strip())
            await asyncio.sleep(wait)
            wait = min(longest, wait * 2)

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"listen {wake.INTAKE}".encode())
        while True:
            await self._load(connection)
            async for _notice in connection.notifies(timeout=RELOAD_S, stop_after=1):
                pass

    async def _load(self, connection: Connection) -> None:
        rows = await (await connection.execute(store.SOURCES)).fetchall()
        known = {sender.id: sender for sender in self._by_digest.values()}
        fresh: dict[bytes, Sender] = {}
        for digest, source_id, slug, protocol, environment in rows:
            assert isinstance(digest, bytes)
            assert isinstance(source_id, int)
            sender = known.pop(source_id, None) or Sender(source_id, str(slug), str(protocol), str(environment))
            sender.slug, sender.protocol, sender.environment = str(slug), str(protocol), str(environment)
            fresh[digest] = sender
        self._retired.extend(known.values())
        self._by_digest = fresh
        self._by_header.clear()
        self.loaded = True

    async def _report(self, connection: Connection) -> None:
        while True:
            await self._write_counts(connection)
            row = await (await connection.execute(store.CURSOR, (self._proc,))).fetchone()
            if row is not None:
                assert isinstance(row[0], int)
                self._drained(row[0])
            await asyncio.sleep(REPORT_S)

    async def _write_counts(self, connection: Connection) -> None:
        for sender in [*self._by_digest.values(), *self._retired]:
            if sender.seen_at is None:
                continue
            accepted, refused, refusal, seen = sender.accepted, sender.refused, sender.refusal, sender.seen_at
            await connection.execute(
                store.COUNTS,
                {"id": sender.id, "accepted": accepted, "refused": refused, "refusal": refusal, "seen": seen},
            )
            sender.accepted -= accepted
            sender.refused -= refused
            if sender.seen_at == seen:
                sender.seen_at, sender.refusal = None, ""
        self._retired = [sender for sender in self._retired if sender.seen_at is not None]

    async def _nudge_engine(self, connection: Connection) -> None:
        while True:
            await self._nudge.wait()
            self._nudge.clear()
            await connection.execute("select pg_notify(%s, 'inbox')", (wake.ENGINE,))
            await asyncio.sleep(NUDGE_S)
