"""The only reader of time.

Everything that needs the present asks `now()`; rules never do, they take time as an argument. The simulation
and the tests replace the clock with one they turn by hand. SQL gets the time as a parameter, never `now()` of
the server, so that one clock decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time: wall time for records, monotonic seconds for measuring spans of it."""

    def now(self) -> datetime:
        """The present as an aware UTC datetime."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class SystemClock:
    """The machine's clock, moved by the measured offset to the database's (`set_offset`)."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def set_offset(self, offset: timedelta) -> None:
        """Take over the difference between the database's clock and this machine's."""
        self._offset = offset


class ManualClock:
    """A clock that stands still until it is turned; for tests and the simulation."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> datetime:
        """Turn the clock forward by `seconds` and return the new present."""
        self._now += timedelta(seconds=seconds)
        return self._now


system = SystemClock()
_current: Clock = system


def now() -> datetime:
    """The present as an aware UTC datetime."""
    return _current.now()


def monotonic() -> float:
    """Seconds that never go back."""
    return _current.monotonic()


@contextmanager
def using(clock: Clock) -> Iterator[Clock]:
    """Let `clock` tell the time for the duration of the block, in every thread of this process."""
    global _current  # noqa: PLW0603 - one process has one time
    before, _current = _current, clock
    try:
        yield clock
    finally:
        _current = before
