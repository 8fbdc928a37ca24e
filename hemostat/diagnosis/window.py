"""The half hour that diagnosis looks at, held in memory and brought up to date with every question.

Buckets change for some minutes after they began (late spans, corrected walks); only these are read again.
What is older than that is kept merged into minutes, so that a question costs the same however long the
baseline is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

from hemostat.detection.rules import Span
from hemostat.diagnosis.rules.evidence import Stretch
from hemostat.intake import queries as intake
from hemostat.intake.rules.attribution import BUCKET_S, KEEP_S
from hemostat.intake.rules.tally import Tally

WINDOW_S = 1800
MINUTE_S = 60
OPEN_S = KEEP_S + 2 * MINUTE_S
"""Younger buckets may change, and are kept by ten seconds."""
CHANGING_S = 60
"""Most changes are in buckets younger than this: they are read with every question ..."""
LATE_EVERY_S = 15
"""... and all that may change every so often."""
LONGEST_S = 4 * 3600
"""What is older is forgotten, however long a failure lasts."""


class Window:
    """The counters of one environment. Whoever uses what `stretches` gives holds `lock` until done."""

    def __init__(self, environment: str) -> None:
        self.lock = Lock()
        self._environment = environment
        self._minutes: dict[int, Tally] = {}
        self._fresh: dict[int, Tally] = {}
        self._begin = 0
        self._merged_until = 0
        """start of the first bucket that is not yet part of a minute"""
        self._read_all_at = 0

    def stretches(
        self, now: datetime, *, since: datetime | None = None, excluded: Sequence[Span] = ()
    ) -> list[Stretch]:
        """The window as it is known at `now`: half an hour before `since` (default: before now), and what
        came after.

        Without the stretches that touch an excluded span and lie before `since`: drops that are over.
        """
        end = int(now.timestamp())
        begin = int(window_begin(now, since).timestamp()) // MINUTE_S * MINUTE_S
        self._refresh(begin, end)
        found = [Stretch(start, MINUTE_S, tally) for start, tally in self._minutes.items()]
        found += [Stretch(start, BUCKET_S, tally) for start, tally in self._fresh.items()]
        limit = since.timestamp() if since else float("inf")
        return [
            s
            for s in sorted(found, key=lambda s: s.start)
            if begin <= s.start <= end
            and (s.start >= limit or not any(_overlap(s, e) for e in excluded if e.end <= limit))
        ]

    def _refresh(self, begin: int, end: int) -> None:
        """Read what is missing and what may have changed; merge what no longer changes into minutes."""
        if not self._merged_until or begin < self._begin:
            self._minutes.clear()
            self._fresh.clear()
            self._begin = self._merged_until = begin
            self._read_all_at = 0
        all_again = end - self._read_all_at >= LATE_EVERY_S
        since = self._merged_until if all_again else max(self._merged_until, end - CHANGING_S)
        since = since // BUCKET_S * BUCKET_S
        for start in [start for start in self._fresh if start >= since]:
            del self._fresh[start]
        self._fresh |= self._read(since, end + BUCKET_S)
        if all_again:
            self._read_all_at = end
        settled = (end - OPEN_S) // MINUTE_S * MINUTE_S
        if settled > self._merged_until and all_again:
            for start in [start for start in self._fresh if start < settled]:
                minute = start // MINUTE_S * MINUTE_S
                self._minutes.setdefault(minute, Tally()).add(self._fresh.pop(start))
            self._merged_until = settled
        for minute in [m for m in self._minutes if m < end - LONGEST_S]:
            del self._minutes[minute]
        self._begin = max(self._begin, end - LONGEST_S)

    def _read(self, begin: int, end: int) -> dict[int, Tally]:
        tallies: dict[int, Tally] = {}
        rows = intake.counters(
            self._environment,
            since=datetime.fromtimestamp(begin, UTC),
            until=datetime.fromtimestamp(end, UTC),
        )
        for bucket, key, payload in rows:
            tallies.setdefault(int(bucket.timestamp()), Tally()).absorb(key, payload)
        return tallies


def _overlap(stretch: Stretch, span: Span) -> bool:
    return span.start < stretch.start + stretch.seconds and stretch.start < span.end


def window_begin(now: datetime, since: datetime | None) -> datetime:
    """Where the window of a question begins."""
    return (since or now) - timedelta(seconds=WINDOW_S)
