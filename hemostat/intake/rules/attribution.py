"""Attribution: from a stream of spans to mergeable counters of who failed, where, and because of whom.

The method: a trace itself says who waited for whom, so every failing request is walked once from its entry to
the one place that explains it (`walk`), and counted there. Diagnosis then only asks which places have more
than usual. Counters are kept per ten seconds of event time (the start of the request) and environment.

A trace is counted for good when it is complete and quiet for three seconds, else when it was quiet for 20
seconds. A failing request is counted at once when the walk cannot be changed by spans that are still to come,
or when it has waited long enough; when the trace is counted for good, what was counted before is taken back
first.

Everything is bounded: spans of open traces, what is learned, names in the counters. Above a budget of spans a
second, traces are left out by their id (every process leaves out the same ones), and those that stay weigh
more. What is not told in full is counted in `counts.Remainder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules.bounded import Bounded
from hemostat.intake.rules.counting import count, entries_of, is_complete, learn
from hemostat.intake.rules.learned import Learned
from hemostat.intake.rules.sampling import Sampling
from hemostat.intake.rules.tally import Tally
from hemostat.intake.rules.traces import Span, Trace, assemble, record
from hemostat.intake.rules.walk import attribute

BUCKET_S = 10
SETTLE_S = 3.0
"""A complete trace that was quiet so long is counted for good: exporters keep order only within one
process.
"""
PATIENCE_S = 6.0
"""A failing request whose walk could still change is counted as it stands after so long: an exporter's
usual delay.
"""
QUIET_S = 20.0
"""A trace that was quiet so long is counted for good: the exporter's delay and the longest span."""
ROOTLESS_S = 60.0
"""The same while the entry itself has not come: it may still be waiting for a callee."""
KEEP_S = 180
"""So long after its end a bucket is open to corrections."""
MAX_SPANS_OF_TRACE = 5_000


@dataclass(frozen=True, slots=True)
class Counter:
    """A row to be written: the *total* of what this process has counted under (bucket, environment, key).

    A newer one replaces the older; those of several processes are added when read (`tally.Tally.absorb`).
    """

    bucket_s: int
    """start of the ten seconds, Unix seconds"""
    environment: str
    key: str
    payload: dict[str, Any]


@dataclass(slots=True)
class _Open:
    """A trace that is not yet counted for good."""

    weight: float
    """how many traces it stands for, beyond the weights of its spans"""
    first_at: float
    last_at: float
    look_at: float
    """when it should be looked at next"""
    spans: list[Span] = field(default_factory=list)
    failing: bool = False
    """its entry has come, and failed"""
    counted: Tally | None = None
    bucket: int = 0
    """where `counted` went"""


@dataclass(slots=True)
class _Environment:
    learned: Learned = field(default_factory=Learned)
    open: dict[bytes, _Open] = field(default_factory=dict)
    closed: Bounded[bytes, bool] = field(default_factory=lambda: Bounded(50_000))
    buckets: dict[int, Tally] = field(default_factory=dict)


class Attribution:
    """Takes the spans of all environments, gives counters. Not thread-safe; time comes in with every call."""

    def __init__(self, *, max_open_spans: int = 200_000, budget: float = 20_000.0) -> None:
        """`max_open_spans` bounds memory (about 600 bytes each); `budget` is spans a second before
        sampling.
        """
        self._environments: dict[str, _Environment] = {}
        self._max_open_spans = max_open_spans
        self._open_spans = 0
        self._sampling = Sampling(budget)

    @property
    def open_spans(self) -> int:
        """Spans of traces that are not yet counted for good."""
        return self._open_spans

    @property
    def share(self) -> float:
        """The share of traces that is attributed at present; 1 below the budget."""
        return self._sampling.share

    def add(self, spans: Sequence[SpanReading], received_at: float) -> None:
        """Take spans in, in any order; `received_at` in Unix seconds never goes back."""
        accepted = 0
        for reading in spans:
            environment = self._environments.get(reading.environment)
            if environment is None:
                environment = self._environments[reading.environment] = _Environment()
            opened = environment.open.get(reading.trace_id)
            if opened is None:
                opened = self._begin(environment, reading, received_at)
                if opened is None:
                    continue
            elif len(opened.spans) >= MAX_SPANS_OF_TRACE:
                self._bucket(environment, received_at, received_at).left().late_spans += 1
                continue
            span = record(reading)
            opened.spans.append(span)
            opened.last_at = received_at
            if span.failed and (not span.parent_id or environment.learned.is_outer_edge(span.node)):
                opened.failing = True
            opened.look_at = received_at if opened.failing else received_at + SETTLE_S
            accepted += 1
        self._open_spans += accepted
        self._sampling.accepted(accepted, received_at)
        while self._open_spans > self._max_open_spans:
            self._close_oldest(received_at)

    def take(self, now: float) -> list[Counter]:
        """Count what has become countable by `now` (Unix seconds), and give every counter that changed
        since.
        """
        out: list[Counter] = []
        for name, environment in self._environments.items():
            due = [(trace_id, o) for trace_id, o in environment.open.items() if o.look_at <= now]
            for trace_id, opened in due:
                self._look(environment, trace_id, opened, now)
            for start, bucket in list(environment.buckets.items()):
                out += [Counter(start, name, key, payload) for key, payload in bucket.drain()]
                if start + BUCKET_S + KEEP_S < now:
                    del environment.buckets[start]
        return out

    def flush(self, now: float) -> list[Counter]:
        """Count everything for good at once, because the stream has ended."""
        for environment in self._environments.values():
            for trace_id in list(environment.open):
                self._close(environment, trace_id, now)
        return self.take(now)

    # Open traces

    def _begin(self, environment: _Environment, reading: SpanReading, now: float) -> _Open | None:
        if environment.closed.get(reading.trace_id) and reading.kind is not SpanKind.CONSUMER:
            self._bucket(environment, now, now).left().late_spans += 1
            if reading.kind is SpanKind.SERVER:
                environment.learned.learn_recording(reading.app_id)
            return None
        weight = self._sampling.weight(reading.trace_id)
        if not weight:
            self._bucket(environment, now, now).left().sampled_out += 1
            return None
        opened = environment.open[reading.trace_id] = _Open(weight, now, now, now + SETTLE_S)
        return opened

    def _look(self, environment: _Environment, trace_id: bytes, opened: _Open, now: float) -> None:
        """Count a trace for good where it can be, a failing request early where its walk is settled."""
        learned = environment.learned
        trace = assemble(opened.spans, learned)
        entries = entries_of(trace, learned)
        quiet = now - opened.last_at
        if quiet >= ROOTLESS_S or (entries and quiet >= QUIET_S) or (quiet >= SETTLE_S and is_complete(trace, learned)):
            self._close(environment, trace_id, now, trace)
            return
        opened.look_at = opened.last_at + (QUIET_S if entries or quiet < QUIET_S else ROOTLESS_S)
        if quiet < SETTLE_S:
            opened.look_at = opened.last_at + SETTLE_S
        failing = [e for e in entries if e.failed]
        if not failing:
            return
        waited = now - opened.first_at >= PATIENCE_S or opened.counted is not None
        if waited or all(attribute(e, learned)[0].settled for e in failing):
            self._count_early(environment, trace_id, trace, now)
        else:
            opened.look_at = min(opened.look_at, opened.first_at + PATIENCE_S)

    def _count_early(self, environment: _Environment, trace_id: bytes, trace: Trace, now: float) -> None:
        opened = environment.open[trace_id]
        self._take_back(environment, opened)
        opened.counted = Tally()
        count(
            trace,
            entries_of(trace, environment.learned),
            sample=trace_id.hex(),
            weight=opened.weight,
            learned=environment.learned,
            into=opened.counted,
        )
        at = _began(trace)
        opened.bucket = _bucket_start(at, now)
        self._bucket(environment, at, now).add(opened.counted)

    def _take_back(self, environment: _Environment, opened: _Open) -> None:
        if opened.counted is not None and (bucket := environment.buckets.get(opened.bucket)) is not None:
            bucket.add(opened.counted, -1)
        opened.counted = None

    def _close_oldest(self, now: float) -> None:
        """Make room: the trace that was opened first is counted as it stands."""
        first = [
            (environment.open[trace_id].first_at, name, trace_id)
            for name, environment in self._environments.items()
            if (trace_id := next(iter(environment.open), None)) is not None
        ]
        _, name, trace_id = min(first)
        environment = self._environments[name]
        self._bucket(environment, now, now).left().cut_traces += 1
        self._close(environment, trace_id, now)

    def _close(self, environment: _Environment, trace_id: bytes, now: float, trace: Trace | None = None) -> None:
        """Count a trace for good, and learn from it."""
        opened = environment.open.pop(trace_id)
        environment.closed[trace_id] = True
        self._open_spans -= len(opened.spans)
        self._take_back(environment, opened)
        trace = trace or assemble(opened.spans, environment.learned)
        found = count(
            trace,
            trace.entries,
            sample=trace_id.hex(),
            weight=opened.weight,
            learned=environment.learned,
            into=self._bucket(environment, _began(trace), now),
        )
        learn(trace, found, environment.learned)

    def _bucket(self, environment: _Environment, at: float, now: float) -> Tally:
        start = _bucket_start(at, now)
        found = environment.buckets.get(start)
        if found is None:
            found = environment.buckets[start] = Tally()
        return found


def _began(trace: Trace) -> float:
    """When the request began, Unix seconds, by its entry where that has come."""
    return min(s.start for s in trace.entries or trace.spans) / 1e9


def _bucket_start(at: float, now: float) -> int:
    """Start of the bucket of `at`; what is too old or from the future goes into the nearest that is open."""
    inside = min(max(at, now - KEEP_S), now)
    return int(inside // BUCKET_S) * BUCKET_S
