"""One engine leads: an advisory lock on a session of its own, held as long as the session lives.

The server itself ends the session of a leader whose machine went silent (keep-alives every five seconds), so that
another takes over within thirty seconds. The leader asks its session every second and steps down when it is gone.
"""

from __future__ import annotations

import threading

import psycopg
import structlog

log = structlog.get_logger()

LOCK_KEY = 4_716_320_002
RETRY_S = 1.0
CHECK_S = 1.0
SILENCE = (
    "set tcp_keepalives_idle = 5",
    "set tcp_keepalives_interval = 5",
    "set tcp_keepalives_count = 3",
    "set tcp_user_timeout = 20000",
)
"""Settings of the server's end of the session; without effect on a Unix socket, where no machine can go silent."""


class Leadership:
    """Whether this process leads; kept up to date by a thread."""

    def __init__(self, conninfo: str, stop: threading.Event) -> None:
        self._conninfo = conninfo
        self._stop = stop
        self.held = threading.Event()

    def start(self) -> threading.Thread:
        """Begin to stand for election."""
        thread = threading.Thread(target=self._stand, name="leadership", daemon=True)
        thread.start()
        return thread

    def _stand(self) -> None:
        while not self._stop.is_set():
            try:
                self._hold_one_session()
            except psycopg.OperationalError as error:
                if self.held.is_set():
                    log.warning("leadership lost", reason=str(error).splitlines()[0])
            self.held.clear()
            self._stop.wait(RETRY_S)

    def _hold_one_session(self) -> None:
        # The client's own time-outs: a silent server must not leave us believing that we lead.
        with psycopg.connect(
            self._conninfo, autocommit=True, connect_timeout=5, tcp_user_timeout=10_000, keepalives_idle=5
        ) as conn:
            for setting in SILENCE:
                conn.execute(setting)
            while not self._stop.is_set():
                if not self.held.is_set():
                    row = conn.execute("select pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
                    if row == (True,):
                        log.info("this engine leads")
                        self.held.set()
                else:
                    conn.execute("select 1")
                self._stop.wait(CHECK_S)
