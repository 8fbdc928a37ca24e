"""Spans on their way into the database: counted in memory, and written as merged rows with each commit group.

Spans are counted as soon as they are read, and answered when the rows they changed are durable. When a commit fails,
the counts stay and are written by the next; the hash of the body stays too, so that the sender's second try is not
counted again but only waits. What nobody sends again was true all the same.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from hemostat.base import clock
from hemostat.coordinates.rules import exceptions, link
from hemostat.coordinates.rules.exceptions import NodeException
from hemostat.coordinates.rules.system import System
from hemostat.intake import rows, store
from hemostat.intake.commit import Command, Rows
from hemostat.intake.readings import SpanReading
from hemostat.intake.rows import Group, Sample, evidence
from hemostat.intake.rules.attribution import Attribution, Counter
from hemostat.intake.rules.buckets import Buckets, Caps, ExceptionKey
from hemostat.intake.rules.paths import Paths
from hemostat.intake.store import Statement

log = logging.getLogger(__name__)

REMEMBER_S = 900
"""How long the hash of an accepted body is kept."""
QUIET_S = 8.0
"""How long after a failing span its trace is taken to be complete, and its path is looked for again."""
MAX_UNSETTLED = 50_000
MAX_KNOWN = 100_000
"""Coordinates remembered as registered; beyond, they are registered once more."""
SAMPLES_A_MINUTE = 10
"""Failing spans stored with their evidence for one exception coordinate; a chore keeps the newest 20 of a day."""
MAX_REFUSALS = 3
"""Groups refused one after the other before what they hold is given up."""


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A failing span whose path was not complete when it came."""

    due: float
    span: SpanReading
    key: ExceptionKey
    evidence: bytes
    """what is stored as its sample; empty when it is none"""


class TelemetryWork:
    """What the group commit of telemetry writes: whole rows of everything that changed."""

    statements: Sequence[Statement] = store.TELEMETRY_STATEMENTS

    def __init__(self, proc: int, new_proc: Callable[[], int], caps: Caps | None = None) -> None:
        now = clock.now().timestamp()
        self.proc = proc
        self._buckets = Buckets(proc, new_proc, caps)
        self._paths = Paths(now)
        self._attribution = Attribution()
        self._counters: dict[tuple[int, str, str], Counter] = {}
        self._unsettled: deque[_Unsettled] = deque()
        self._samples: dict[bytes, Sample] = {}
        self._sampled: dict[str, int] = {}
        self._sampled_minute = 0
        self._known: set[str] = set()
        self._entries: set[tuple[str, str]] = set()
        self._systems: dict[str, System] = {}
        self._links: dict[str, tuple[list[str], bool]] = {}
        self._kinds: dict[str, NodeException] = {}
        self._bodies: dict[bytes, bytes] = {}
        self._new_bodies: list[bytes] = []
        self._accepted: dict[int, dict[bytes, bytes]] = {}
        self._group: Group | None = None
        self._refusals = 0
        self.discarded_rows = 0
        """rows given up because the database refused them again and again"""

    # What came before

    def answered(self, digest: bytes) -> bytes | None:
        """The answer to a body that was accepted and committed in the last quarter of an hour; None for a new one."""
        for slot in self._accepted.values():
            answer = slot.get(digest)
            if answer is not None:
                return answer
        return None

    def waiting(self, digest: bytes) -> bytes | None:
        """The answer to a body that was counted and still waits for its commit; None for others."""
        return self._bodies.get(digest)

    def remember(self, digest: bytes, answer: bytes, at: float) -> None:
        """Note an accepted body."""
        self._accepted.setdefault(int(at // store.BODY_RING.seconds), {})[digest] = answer

    # Counting

    def add(self, spans: Sequence[SpanReading], digest: bytes, answer: bytes) -> None:
        """Count the spans of one body."""
        now = clock.now().timestamp()
        paths, buckets = self._paths, self._buckets
        self._attribution.add(spans, now)
        failing: list[SpanReading] = []
        for span in spans:
            paths.add(span)
            buckets.add(span, now)
            if span.failed:
                failing.append(span)
            if span.entry and (span.app_id, span.entry) not in self._entries:
                self._meet(span.app_id, span.entry)
        for span in failing:
            self._file(span, now)
        self._bodies[digest] = answer
        self._new_bodies.append(digest)

    def _meet(self, app_id: str, entry: str) -> None:
        if len(self._entries) >= MAX_KNOWN:
            self._entries.clear()
        self._entries.add((app_id, entry))
        self._register_system(System(app_id, entry))

    def _register_system(self, system: System) -> str:
        code = system.code
        if code not in self._known:
            self._systems[code] = system
        return code

    def _coordinates(self, span: SpanReading) -> tuple[ExceptionKey, bool]:
        """Where and what a failing span is, as far as is known, registered; and whether its path is complete."""
        path = self._paths.path(span)
        codes = [self._register_system(system) for system in path.systems]
        where = link.code(codes, partial=not path.complete)
        if where not in self._known:
            self._links[where] = (codes, not path.complete)
        what = exceptions.of_span(codes[-1], span)
        kind = what.code
        if kind not in self._known:
            self._kinds[kind] = what
        return ExceptionKey(span.environment, where, kind), path.complete

    def _file(self, span: SpanReading, now: float) -> None:
        key, complete = self._coordinates(span)
        self._buckets.add_exception(key, span.end_ns, span.weight, now)
        kept = self._sample(span, key, now)
        if not complete and len(self._unsettled) < MAX_UNSETTLED:
            self._unsettled.append(_Unsettled(now + QUIET_S, span, key, kept))

    def _sample(self, span: SpanReading, key: ExceptionKey, now: float) -> bytes:
        minute = int(now // 60)
        if minute != self._sampled_minute:
            self._sampled_minute, self._sampled = minute, {}
        taken = self._sampled.get(key.exception, 0)
        kept = b""
        if taken < SAMPLES_A_MINUTE:
            self._sampled[key.exception] = taken + 1
            kept = evidence(span)
            self._samples[span.trace_id + span.span_id] = Sample(span, key.exception, key.link, kept)
        span.attributes = {n: v for n, v in span.attributes.items() if n in exceptions.READ_ATTRIBUTES}
        return kept

    # Every second

    def tick(self) -> None:
        """Turn the generations, file again what came before its parents, and let go of what is old."""
        now = clock.now().timestamp()
        while self._unsettled and self._unsettled[0].due <= now:
            self._settle(self._unsettled.popleft(), now)
        for counter in self._attribution.take(now):
            self._counters[counter.bucket_s, counter.environment, counter.key] = counter
        self._paths.turn(now)
        self._buckets.forget(now)
        oldest = int((now - REMEMBER_S) // store.BODY_RING.seconds)
        for slot in [slot for slot in self._accepted if slot < oldest]:
            del self._accepted[slot]

    def _settle(self, unsettled: _Unsettled, now: float) -> None:
        """File a failing span under the path that is known by now; its count moves with it."""
        span, before = unsettled.span, unsettled.key
        if not self._buckets.holds(span.end_ns):
            return
        key, _complete = self._coordinates(span)
        if key == before:
            return
        self._buckets.add_exception(before, span.end_ns, -span.weight, now)
        self._buckets.add_exception(key, span.end_ns, span.weight, now)
        if unsettled.evidence:
            self._samples[span.trace_id + span.span_id] = Sample(span, key.exception, key.link, unsettled.evidence)

    @property
    def dirty(self) -> bool:
        """Whether the next commit group has anything to write."""
        waiting = (self._samples, self._systems, self._links, self._kinds, self._counters, self._new_bodies)
        return self._buckets.dirty or any(waiting)

    # Writing

    def connected(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Read what an earlier run of the intake accepted, so that a resend to this one is known."""
        since = clock.now() - timedelta(seconds=REMEMBER_S)
        for digest, at in connection.execute(store.RECENT_BODIES, (since,)):
            assert isinstance(digest, bytes)
            self.remember(digest, b"", at.timestamp())  # type: ignore[attr-defined]

    def take(self) -> Sequence[Command]:
        """Everything that changed, as the commands of one transaction."""
        spans, failures = self._buckets.take()
        group = self._group = Group(
            spans=spans,
            exceptions=failures,
            samples=self._samples,
            systems=self._systems,
            links=self._links,
            kinds=self._kinds,
            counters=self._counters,
            bodies=self._new_bodies,
        )
        self._samples, self._systems, self._links, self._kinds, self._counters = {}, {}, {}, {}, {}
        self._new_bodies = []
        now = clock.now().timestamp()
        return [
            *rows.register(group, now),
            *rows.span_rows(spans),
            *rows.exception_rows(failures),
            *rows.sample_rows(group.samples),
            *rows.counter_rows(group.counters, self.proc),
            *rows.body_rows(group.bodies, now),
        ]

    def committed(self, results: Sequence[Rows]) -> None:  # noqa: ARG002 - nothing is returned by these statements
        """The group is durable: its bodies are accepted, its coordinates known."""
        group, self._group = self._group, None
        self._refusals = 0
        if group is None:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.update(group.systems, group.links, group.kinds)
        now = clock.now().timestamp()
        for digest in group.bodies:
            self.remember(digest, self._bodies.pop(digest, b""), now)

    def failed(self, *, refused: bool) -> None:
        """The group is due again; given up after the database refused it again and again."""
        group, self._group = self._group, None
        if group is None:
            return
        self._refusals = self._refusals + 1 if refused else 0
        if self._refusals >= MAX_REFUSALS:
            self._refusals = 0
            self.discarded_rows += len(group.spans) + len(group.exceptions) + len(group.samples)
            log.error("given up after %d refusals: %d rows", MAX_REFUSALS, len(group.spans) + len(group.exceptions))
            for digest in group.bodies:
                self._bodies.pop(digest, None)
            return
        self._buckets.give_back(group.spans, group.exceptions)
        self._samples = {**group.samples, **self._samples}
        self._systems = {**group.systems, **self._systems}
        self._links = {**group.links, **self._links}
        self._kinds = {**group.kinds, **self._kinds}
        self._counters = {**group.counters, **self._counters}
        self._new_bodies = group.bodies + self._new_bodies
