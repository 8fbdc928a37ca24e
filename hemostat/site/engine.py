"""The engine process: one thread for each loop of `loops.LOOPS`, woken by notifications, due times, or a second.

A loop that fails says so in the log and in its heartbeat, waits a little longer each time, and goes on; the others
do not notice. A lost notification delays and never loses. Any number of engines may run; rows are claimed under
leases, and what only one may do is done by the elected leader.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING

import psycopg
import structlog

from hemostat.base import clock
from hemostat.site import clocksync, database, readiness, schema
from hemostat.site.config import config
from hemostat.site.leadership import Leadership
from hemostat.site.logs import configure

if TYPE_CHECKING:
    from hemostat.site.loops import Loop

log = structlog.get_logger()

BEAT_S = 5.0
LONGEST_BACKOFF_S = 10.0
STOP_GRACE_S = 8.0


@dataclass
class State:
    """What one thread of a loop is doing; read by the heartbeat."""

    rounds: int = 0
    busy_since: datetime | None = None
    error: str = ""
    error_since: datetime | None = None


class Engine:
    """The threads of one process."""

    def __init__(self, conninfo: str, loops: Sequence[Loop]) -> None:
        self._conninfo = conninfo
        self._loops = loops
        self._started_at = clock.now()
        self.stop = threading.Event()
        self.leadership = Leadership(conninfo, self.stop)
        self.process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._states = {loop.name: [State() for _ in range(loop.threads)] for loop in loops}
        self._wakes: list[tuple[Loop, threading.Event]] = []

    def run(self) -> None:
        """Work until `stop` is set, then let the rounds under way finish."""
        clocksync.start(self._conninfo, self.stop)
        self.leadership.start()
        workers: list[threading.Thread] = []
        for loop in self._loops:
            for number, state in enumerate(self._states[loop.name]):
                wake = threading.Event()
                self._wakes.append((loop, wake))
                name = f"{loop.name}-{number}" if loop.threads > 1 else loop.name
                workers.append(
                    threading.Thread(target=self._keep_doing, args=(loop, state, wake), name=name, daemon=True)
                )
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        for worker in workers:
            worker.start()
        readiness.tell()
        self._keep_beating()
        self.wake_all(to_stop=True)
        deadline = clock.monotonic() + STOP_GRACE_S
        for worker in workers:
            worker.join(max(0.0, deadline - clock.monotonic()))
            if worker.is_alive():
                log.warning("stopped in the middle of a round; its rows are taken again", loop=worker.name)
        self._say_goodbye()

    def wake_all(self, *, to_stop: bool = False) -> None:
        """Let every loop look at once; those that go by the clock only `to_stop`."""
        for loop, wake in self._wakes:
            if loop.wakes or to_stop:
                wake.set()

    def _keep_doing(self, loop: Loop, state: State, wake: threading.Event) -> None:
        from django.db import connection

        failures = 0
        while not self.stop.is_set():
            if loop.leader and not self.leadership.held.is_set():
                self.leadership.held.wait(0.2)
                continue
            wake.clear()
            state.busy_since = clock.now()
            try:
                worked = loop.work(clock.now())
                pause = 0.0 if worked and loop.until_done else self._until_next(loop)
                failures, state.error, state.error_since = 0, "", None
            except Exception as error:  # noqa: BLE001 - a loop goes on whatever happens in a round; it is told below
                failures += 1
                pause = min(0.25 * 2 ** min(failures, 10), LONGEST_BACKOFF_S)
                self._note_failure(loop, state, error, pause)
                connection.close()
            state.rounds += 1
            state.busy_since = None
            if failures:
                self.stop.wait(pause)
            elif pause:
                wake.wait(pause)
        connection.close()

    def _until_next(self, loop: Loop) -> float:
        from hemostat.base.due import next_due

        times = [at for model in loop.due if (at := next_due(model)) is not None]
        if not times:
            return loop.every_s
        return min(loop.every_s, max(0.005, (min(times) - clock.now()).total_seconds()))

    def _note_failure(self, loop: Loop, state: State, error: Exception, pause: float) -> None:
        from django.db import InterfaceError, OperationalError

        state.error = f"{type(error).__name__}: {error}"[:2000]
        state.error_since = state.error_since or clock.now()
        if isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("the database does not answer", loop=loop.name, reason=reason, again_in_s=pause)
        else:
            log.error("a round failed", loop=loop.name, again_in_s=pause, exc_info=error)

    def _listen(self) -> None:
        from hemostat.base.wake import ENGINE

        while not self.stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5) as conn:
                    conn.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(ENGINE)))
                    self.wake_all()  # what was told while nobody listened
                    while not self.stop.is_set():
                        for _ in conn.notifies(timeout=5, stop_after=1):
                            self.wake_all()
                        conn.execute("select 1")
            except psycopg.OperationalError:
                self.stop.wait(0.5)

    def _keep_beating(self) -> None:
        from django.db import DatabaseError, connection

        while not self.stop.is_set():
            try:
                self._beat()
            except DatabaseError as error:
                connection.close()
                log.warning("no heartbeat could be written", reason=str(error).splitlines()[0])
            self.stop.wait(BEAT_S)

    def _beat(self) -> None:
        from hemostat.base.actions import beat
        from hemostat.base.models import Heartbeat

        now = clock.now()
        rows = []
        for loop in self._loops:
            states = self._states[loop.name]
            failing = next((state for state in states if state.error), State())
            rows.append(
                Heartbeat(
                    process=self.process,
                    loop=loop.name,
                    leads=self.leadership.held.is_set(),
                    beat_at=now,
                    started_at=self._started_at,
                    busy_since=min((s.busy_since for s in states if s.busy_since), default=None),
                    rounds=sum(state.rounds for state in states),
                    error=failing.error,
                    error_since=failing.error_since,
                )
            )
        beat(rows, now=now)

    def _say_goodbye(self) -> None:
        from django.db import DatabaseError

        from hemostat.base.actions import say_goodbye

        try:
            say_goodbye(self.process)
        except DatabaseError as error:
            log.warning("no goodbye could be written", reason=str(error).splitlines()[0])


def run() -> None:
    """Run an engine until told to stop. Raises `HemostatError` where it cannot start."""
    from hemostat.site.django import django_setup

    configure("engine")
    settings = config()
    conninfo = database.conninfo(settings)
    schema.wait_until_current(conninfo, shown=database.shown(settings), tell=log.info)
    django_setup("engine")

    from hemostat.site.loops import LOOPS

    engine = Engine(conninfo, LOOPS)

    def told(_signal: int, _frame: FrameType | None) -> None:
        engine.stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    engine.run()
