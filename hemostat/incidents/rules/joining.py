"""Which incident a new signal belongs to: one failure under five entries is one incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

JOIN_WITHIN = timedelta(minutes=10)
"""A signal joins an incident whose newest signal is at most this old, and whose neighbourhood it shares."""


@dataclass(frozen=True)
class OpenIncident:
    """What is looked at when a signal may join."""

    id: int
    neighbourhood: frozenset[str]
    last_signal_at: datetime
    still_failing: bool
    """any of its signals is not over yet"""


def choose(candidates: Sequence[OpenIncident], neighbourhood: Iterable[str], now: datetime) -> int | None:
    """The id of the incident to join, None to open a new one.

    Joined is the one that shares most of the call-graph neighbourhood; the older one on a tie. While an incident is
    still failing it takes what shares its neighbourhood however old it is: a symptom that shows later is not a new
    failure.
    """
    mine = frozenset(neighbourhood)
    best: tuple[int, int] | None = None
    for incident in candidates:
        shared = len(mine & incident.neighbourhood)
        if not shared or (not incident.still_failing and now - incident.last_signal_at > JOIN_WITHIN):
            continue
        if best is None or (shared, -incident.id) > best:
            best = (shared, -incident.id)
    return -best[1] if best else None
