"""The hour that detection looks at, held in memory by the engine's leader and brought up to date every
second.

Buckets change for a while after they began (late spans, several intake processes): the last half minute is
read every time, the last three minutes every tenth. A new leader reads the hour once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hemostat.detection.rules import BASELINE_S, BUCKET_S, WINDOWS, Bucket
from hemostat.intake import queries as intake

HOUR_S = BASELINE_S + WINDOWS[-1] * BUCKET_S
FRESH_S = 30
LATE_S = 180
LATE_EVERY = 10
LOST_S = 120
"""After a pause of so long, the hour is read anew."""


class Series(NamedTuple):
    """One KPI: the success rate of an entry."""

    environment: str
    app_id: str
    entry: str


class Watch:
    """The buckets of every series of the last hour and a bit."""

    def __init__(self) -> None:
        self._series: dict[Series, dict[int, Bucket]] = {}
        self._seen_at: datetime | None = None
        self._looks = 0

    def refresh(self, now: datetime) -> None:
        """Read what may have changed since the last time."""
        gap = (now - self._seen_at).total_seconds() if self._seen_at else math.inf
        if gap < 0 or gap > LOST_S:
            self._series.clear()
            back: float = HOUR_S
        else:
            back = LATE_S if self._looks % LATE_EVERY == 0 else FRESH_S + gap
        self._looks += 1
        self._seen_at = now
        since = _bucket_time(now - timedelta(seconds=back))
        for point in intake.counts(since=since, until=now + timedelta(seconds=BUCKET_S)):
            series = self._series.setdefault(Series(point.environment, point.app_id, point.entry), {})
            at = int(point.bucket.timestamp())
            series[at] = Bucket(at, point.requests, point.failed)
        self._forget(int(now.timestamp()) - HOUR_S)

    def _forget(self, before: int) -> None:
        for name in list(self._series):
            buckets = self._series[name]
            for at in [at for at in buckets if at < before]:
                del buckets[at]
            if not buckets:
                del self._series[name]

    def buckets(self, series: Series) -> list[Bucket]:
        """The buckets of a series in the order of time; none when it was not met."""
        return [bucket for _, bucket in sorted(self._series.get(series, {}).items())]

    def recently_failing(self, now: datetime) -> Iterator[Series]:
        """The series that met any failure in the longest window: only these can have fallen."""
        since = now.timestamp() - WINDOWS[-1] * BUCKET_S
        for name, buckets in self._series.items():
            if any(b.failed and at >= since for at, b in buckets.items()):
                yield name


def _bucket_time(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // BUCKET_S * BUCKET_S, UTC)
