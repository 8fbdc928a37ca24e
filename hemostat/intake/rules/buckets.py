"""Spans and exceptions counted in ten-second buckets by event time, in the memory of one intake process.

The stored row of a key is always overwritten with the whole count (`take` gives what changed), so that writing it
twice does no harm and the database never has to merge; readers add the rows of different `proc`. A bucket that is
forgotten and then met again goes on under a fresh `proc`, so that what was stored before stays.

A request belongs to the bucket in which it *ended*: a request that hangs for a minute is not yet a failure of the
minute before, and buckets are complete as soon as the exporters' delay is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules import histogram
from hemostat.intake.rules.distinct import Distinct

BUCKET_S = 10
OTHER = "other"
"""What names beyond the caps are counted under."""

_BUCKET_NS = BUCKET_S * 1_000_000_000
_SERVED = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
_CALLED = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})


@dataclass(frozen=True, slots=True)
class Caps:
    """How many different names one bucket keeps apart; a sender that makes up names must not fill the database."""

    services: int = 1000
    """services of all environments"""
    keys_per_service: int = 300
    """entries and peers of one service"""


class SpanKey(NamedTuple):
    """Whose requests: an entry's own (`peer` empty), or a service's calls to a peer (`entry` empty)."""

    environment: str
    app_id: str
    entry: str
    peer: str


class ExceptionKey(NamedTuple):
    """Where (code of the link) and what (code of the exception)."""

    environment: str
    link: str
    exception: str


class Totals:
    """RED of one key in one bucket; counts are weighted by what each span stands for."""

    __slots__ = ("business_errors", "duration_ms", "durations", "failed", "failed_users", "requests", "users")

    def __init__(self) -> None:
        self.requests = 0.0
        self.failed = 0.0
        self.business_errors = 0.0
        self.duration_ms = 0.0
        self.durations: dict[int, int] = {}
        self.users: Distinct | None = None
        self.failed_users: Distinct | None = None

    def add(self, span: SpanReading) -> None:
        """Count one span. An answer of 4xx is business, not a failure, whatever the span's status."""
        weight = span.weight
        duration = span.end_ns - span.start_ns
        self.requests += weight
        self.duration_ms += duration * 1e-6 * weight
        bucket = histogram.bucket_of(duration)
        self.durations[bucket] = self.durations.get(bucket, 0) + (1 if weight == 1.0 else round(weight))
        failed = False
        if 400 <= span.http_code < 500:
            self.business_errors += weight
        elif span.failed:
            self.failed += weight
            failed = True
        if span.user:
            if self.users is None:
                self.users = Distinct()
            self.users.add(span.user)
            if failed:
                if self.failed_users is None:
                    self.failed_users = Distinct()
                self.failed_users.add(span.user)


class ExceptionTotals:
    """One coordinate in one bucket; times are Unix nanoseconds."""

    __slots__ = ("count", "first_ns", "last_ns")

    def __init__(self) -> None:
        self.count = 0.0
        self.first_ns = 0
        self.last_ns = 0

    def add(self, at_ns: int, weight: float) -> None:
        """Count one exception, or take one away (negative weight) that is counted elsewhere from now on."""
        self.count += weight
        if weight > 0:
            self.first_ns = min(self.first_ns or at_ns, at_ns)
            self.last_ns = max(self.last_ns, at_ns)


@dataclass(slots=True)
class Bucket:
    """Ten seconds: what was counted, and under which `proc` it is stored."""

    start_s: int
    proc: int
    touched_at: float = 0.0
    spans: dict[SpanKey, Totals] = field(default_factory=dict)
    exceptions: dict[ExceptionKey, ExceptionTotals] = field(default_factory=dict)
    keys_of_service: dict[str, int] = field(default_factory=dict)


class SpanRow(NamedTuple):
    """A row to overwrite: bucket start (Unix seconds), process, key and totals."""

    start_s: int
    proc: int
    key: SpanKey
    totals: Totals


class ExceptionRow(NamedTuple):
    """A row to overwrite: bucket start (Unix seconds), process, key and totals."""

    start_s: int
    proc: int
    key: ExceptionKey
    totals: ExceptionTotals


def bucket_start(at_ns: int) -> int:
    """The start, in Unix seconds, of the bucket that holds a moment in Unix nanoseconds."""
    return at_ns // _BUCKET_NS * BUCKET_S


class Buckets:
    """All open buckets of one process."""

    def __init__(self, proc: int, new_proc: Callable[[], int], caps: Caps | None = None) -> None:
        self._proc = proc
        self._new_proc = new_proc
        self._caps = caps or Caps()
        self._open: dict[int, Bucket] = {}
        self._forgotten_before = 0
        self._dirty_spans: dict[tuple[int, SpanKey], SpanRow] = {}
        self._dirty_exceptions: dict[tuple[int, ExceptionKey], ExceptionRow] = {}

    def __len__(self) -> int:
        return len(self._open)

    def _bucket(self, start_s: int, now: float) -> Bucket:
        bucket = self._open.get(start_s)
        if bucket is None:
            proc = self._proc if start_s >= self._forgotten_before else self._new_proc()
            bucket = self._open[start_s] = Bucket(start_s, proc)
        bucket.touched_at = now
        return bucket

    def _admit(self, bucket: Bucket, key: SpanKey) -> SpanKey:
        """The key, or what stands for it once the bucket has too many."""
        counts = bucket.keys_of_service
        used = counts.get(key.app_id)
        if used is None:
            if len(counts) >= self._caps.services:
                return SpanKey(key.environment, OTHER, key.entry and OTHER, key.peer and OTHER)
            used = 0
        if used >= self._caps.keys_per_service:
            return SpanKey(key.environment, key.app_id, key.entry and OTHER, key.peer and OTHER)
        counts[key.app_id] = used + 1
        return key

    def add(self, span: SpanReading, now: float) -> None:
        """Count a span that is a request (SERVER, CONSUMER) or a call (CLIENT, PRODUCER); others are not counted."""
        kind = span.kind
        if kind in _SERVED:
            key = SpanKey(span.environment, span.app_id, span.entry, "")
        elif kind in _CALLED and span.peer:
            key = SpanKey(span.environment, span.app_id, "", span.peer)
        else:
            return
        start_s = span.end_ns // _BUCKET_NS * BUCKET_S
        bucket = self._bucket(start_s, now)
        totals = bucket.spans.get(key)
        if totals is None:
            key = self._admit(bucket, key)
            totals = bucket.spans.get(key)
            if totals is None:
                totals = bucket.spans[key] = Totals()
        totals.add(span)
        if (start_s, key) not in self._dirty_spans:
            self._dirty_spans[start_s, key] = SpanRow(start_s, bucket.proc, key, totals)

    def add_exception(self, key: ExceptionKey, at_ns: int, weight: float, now: float) -> None:
        """Count an exception (or, with negative weight, take away one that is filed elsewhere from now on)."""
        start_s = bucket_start(at_ns)
        bucket = self._bucket(start_s, now)
        totals = bucket.exceptions.get(key)
        if totals is None:
            totals = bucket.exceptions[key] = ExceptionTotals()
        totals.add(at_ns, weight)
        self._dirty_exceptions[start_s, key] = ExceptionRow(start_s, bucket.proc, key, totals)

    def holds(self, at_ns: int) -> bool:
        """Whether the bucket of a moment is still open in memory."""
        return bucket_start(at_ns) in self._open

    @property
    def dirty(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._dirty_spans or self._dirty_exceptions)

    def take(self) -> tuple[list[SpanRow], list[ExceptionRow]]:
        """The rows that changed since the last `take`, to be overwritten."""
        spans, self._dirty_spans = self._dirty_spans, {}
        exceptions, self._dirty_exceptions = self._dirty_exceptions, {}
        return list(spans.values()), list(exceptions.values())

    def give_back(self, spans: list[SpanRow], exceptions: list[ExceptionRow]) -> None:
        """Rows of a `take` that could not be stored: they are due again."""
        for span in spans:
            self._dirty_spans.setdefault((span.start_s, span.key), span)
        for exception in exceptions:
            self._dirty_exceptions.setdefault((exception.start_s, exception.key), exception)

    def forget(self, now: float, quiet_s: float = 60.0, keep_s: float = 120.0) -> None:
        """Drop buckets from memory that ended `keep_s` ago, have been quiet for `quiet_s`, and are stored."""
        unsaved = {start for start, _ in self._dirty_spans} | {start for start, _ in self._dirty_exceptions}
        for start_s in list(self._quiet(now, quiet_s, keep_s)):
            if start_s not in unsaved:
                del self._open[start_s]
                self._forgotten_before = max(self._forgotten_before, start_s + BUCKET_S)

    def _quiet(self, now: float, quiet_s: float, keep_s: float) -> Iterator[int]:
        for start_s, bucket in self._open.items():
            if bucket.touched_at <= now - quiet_s and start_s + BUCKET_S <= now - keep_s:
                yield start_s
