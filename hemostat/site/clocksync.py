"""Keeps this process's clock on the database's: the offset is measured every ten seconds. Free of Django.

All processes, on however many machines, so agree on the time of records and due rows to within a round trip.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from hemostat.base import clock

log = structlog.get_logger()

INTERVAL_S = 10.0
NEGLIGIBLE = timedelta(milliseconds=50)
"""Differences below this are noise of the measurement; following them would let time go back and forth."""


def measure(conn: psycopg.Connection) -> timedelta:
    """The database's clock minus this machine's, half a round trip allowed for."""
    before, began = datetime.now(UTC), time.monotonic()  # house: time - this is what compares the clocks
    row = conn.execute("select clock_timestamp()").fetchone()
    trip = timedelta(seconds=time.monotonic() - began)
    assert row is not None
    there: datetime = row[0]
    return there - (before + trip / 2)


def follow(offset: timedelta, present: timedelta) -> timedelta:
    """The offset to use from now on, given a fresh measurement and the one in use."""
    if abs(offset - present) < NEGLIGIBLE:
        return present
    return timedelta() if abs(offset) < NEGLIGIBLE else offset


def start(conninfo: str, stop: threading.Event | None = None) -> threading.Thread:
    """Measure now and then every ten seconds, in a thread that outlives losses of the connection."""
    ended = stop or threading.Event()
    thread = threading.Thread(target=_keep_measuring, args=(conninfo, ended), name="clock", daemon=True)
    thread.start()
    return thread


def _keep_measuring(conninfo: str, ended: threading.Event) -> None:
    present = timedelta()
    while not ended.is_set():
        try:
            with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as conn:
                while not ended.is_set():
                    offset = follow(measure(conn), present)
                    if offset != present:
                        log.warning("clock differs from the database's", seconds=offset.total_seconds())
                        clock.system.set_offset(offset)
                        present = offset
                    ended.wait(INTERVAL_S)
        except psycopg.OperationalError:
            ended.wait(1)  # the server restarts: the last offset stays good
