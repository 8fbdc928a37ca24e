"""Which span lies below which, for as long as a trace is open: enough to tell the path to a failing span.

`traces` holds whole traces to attribute failing requests; this holds four words a span, for every span, because
every exception is filed by its path.

Spans are kept in three generations; the oldest is dropped whole, so that no time goes into forgetting one by one.
Parents come after their children: a path found at once may be partial, and is looked for again when the trace has
been quiet (`intake.telemetry`).
"""

from __future__ import annotations

from dataclasses import dataclass

from hemostat.coordinates.rules.link import MAX_DEPTH
from hemostat.coordinates.rules.system import System
from hemostat.intake.readings import SpanReading

GENERATION_S = 12.0
"""Age at which a generation makes room for the next; spans are remembered for two to three times this."""
GENERATION_SPANS = 200_000
"""Size at which a generation makes room earlier: about 200 bytes a span."""

_Known = tuple[bytes, str, str]
"""Key of the parent (empty: none), AppId, and the entry method ("" for spans that serve no request)."""


@dataclass(frozen=True, slots=True)
class Path:
    """Where a span lies: the systems from the request's entry to its own, outermost first."""

    systems: tuple[System, ...]
    complete: bool
    """whether the first system is where the request came in"""


class Paths:
    """The spans of the open traces of one process, each with its parent."""

    __slots__ = ("_generations", "_since")

    def __init__(self, now: float) -> None:
        self._generations: list[dict[bytes, _Known]] = [{}, {}, {}]
        self._since = now

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def add(self, span: SpanReading) -> None:
        """Remember a span."""
        parent = span.parent_id
        self._generations[0][span.trace_id + span.span_id] = (
            span.trace_id + parent if parent else b"",
            span.app_id,
            span.entry,
        )

    def turn(self, now: float) -> None:
        """Drop the oldest generation when it is time."""
        if now - self._since >= GENERATION_S or len(self._generations[0]) >= GENERATION_SPANS:
            self._generations = [{}, *self._generations[:2]]
            self._since = now

    def path(self, span: SpanReading) -> Path:
        """The path to a span that was added, as far as it is known; its own system is always the last.

        The system of a span is the service and the entry method of the request it works for: that of the nearest
        span above it (or itself) which serves a request of the same service. Where that is not known yet, the
        span's own name stands for the entry.
        """
        first, second, third = self._generations
        systems: list[System] = []
        if not span.entry:
            systems.append(System(span.app_id, ""))
        key: bytes = span.trace_id + span.span_id
        complete = False
        for _ in range(4 * MAX_DEPTH):
            known = first.get(key) or second.get(key) or third.get(key)
            if known is None:
                break
            key, app_id, entry = known
            if entry:
                if systems and systems[-1] == System(app_id, ""):
                    systems.pop()
                systems.append(System(app_id, entry))
            if not key:
                complete = True
                break
        own = [System(s.app_id, s.entry or span.name) for s in systems[:1]]
        return Path(tuple(reversed([*own, *systems[1:]][:MAX_DEPTH])), complete)
