"""Keeps this process's clock on the database's: the offset is measured every ten seconds. Free of Django.

All processes, on however many machines, so agree on the time of records and due rows to within a round trip.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from hemostat.base import clock

log = structlog.get_logger()

INTERVAL_S = 10.0
TRIES = 5
NEGLIGIBLE = timedelta(milliseconds=50)
"""Differences below this (and half a round trip) are noise; following them would let time go back and forth."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The database's clock minus this machine's, and by how much that may be wrong."""

    offset: timedelta
    doubt: timedelta


def measure(conn: psycopg.Connection) -> Measured:
    """Ask a few times and believe the quickest answer: its round trip bounds the error."""
    return min((_measure_once(conn) for _ in range(TRIES)), key=lambda measured: measured.doubt)


def _measure_once(conn: psycopg.Connection) -> Measured:
    before, began = datetime.now(UTC), time.monotonic()  # house: time - this is what compares the clocks
    row = conn.execute("select clock_timestamp()").fetchone()
    half = timedelta(seconds=time.monotonic() - began) / 2
    assert row is not None
    there: datetime = row[0]
    return Measured(offset=there - (before + half), doubt=half)


def follow(measured: Measured, present: timedelta) -> timedelta:
    """The offset to use from now on, given a fresh measurement and the one in use."""
    noise = NEGLIGIBLE + measured.doubt
    if abs(measured.offset - present) < noise:
        return present
    return timedelta() if abs(measured.offset) < noise else measured.offset


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
