"""What a commit group of telemetry holds, and how it becomes the parameters of the statements in `store`."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from hemostat.coordinates.rules.exceptions import NodeException
from hemostat.coordinates.rules.system import System
from hemostat.intake import store
from hemostat.intake.commit import Command
from hemostat.intake.readings import SpanReading
from hemostat.intake.rules import histogram
from hemostat.intake.rules.attribution import Counter
from hemostat.intake.rules.buckets import ExceptionRow, SpanRow
from hemostat.intake.rules.distinct import Distinct


@dataclass(frozen=True, slots=True)
class Sample:
    """A failing span to be stored with its evidence (JSON), and the codes of its coordinates."""

    span: SpanReading
    exception: str
    link: str
    evidence: bytes


@dataclass(slots=True)
class Group:
    """What one commit group of telemetry holds."""

    spans: list[SpanRow]
    exceptions: list[ExceptionRow]
    samples: dict[bytes, Sample]
    systems: dict[str, System]
    links: dict[str, tuple[list[str], bool]]
    kinds: dict[str, NodeException]
    counters: dict[tuple[int, str, str], Counter]
    bodies: list[bytes]


def evidence(span: SpanReading) -> bytes:
    """What people look at: everything that was told about one failing span, redacted before it came here."""
    told = span.exception
    return orjson.dumps(
        {
            "name": span.name,
            "kind": span.kind.name.lower(),
            "duration_ms": round((span.end_ns - span.start_ns) / 1e6, 3),
            "instance": span.instance,
            "version": span.version,
            "http_code": span.http_code,
            "business_code": span.business_code,
            "peer": span.peer,
            "peer_operation": span.peer_operation,
            "type": told.type if told else "",
            "message": told.message if told else "",
            "stacktrace": told.stacktrace if told else "",
            "attributes": span.attributes,
        }
    )


def register(group: Group, now: float) -> list[Command]:
    """The coordinates that were not known, sorted so that two processes never lock each other out."""
    commands = []
    if group.systems:
        codes = sorted(group.systems)
        systems = [group.systems[code] for code in codes]
        params = (store.texts(codes), store.texts(s.app_id for s in systems), store.texts(s.entry for s in systems))
        commands.append(Command(store.SYSTEMS.name, (*params, store.float8(now))))
    if group.links:
        codes = sorted(group.links)
        links = [group.links[code] for code in codes]
        paths = store.texts(orjson.dumps(path).decode() for path, _ in links)
        commands.append(
            Command(
                store.LINKS.name,
                (store.texts(codes), paths, store.bools(partial for _, partial in links), store.float8(now)),
            )
        )
    if group.kinds:
        codes = sorted(group.kinds)
        kinds = [group.kinds[code] for code in codes]
        commands.append(
            Command(
                store.EXCEPTION_KINDS.name,
                (
                    store.texts(codes),
                    store.texts(k.system for k in kinds),
                    store.texts(k.exception_class.value for k in kinds),
                    store.texts(k.error_code for k in kinds),
                    store.texts(k.peer for k in kinds),
                    store.float8(now),
                ),
            )
        )
    return commands


def _sketch(sketch: Distinct | None) -> bytes:
    return sketch.encode() if sketch is not None else b""


def span_rows(rows: list[SpanRow]) -> list[Command]:
    """RED rows, to be overwritten."""
    if not rows:
        return []
    keys = [row.key for row in rows]
    totals = [row.totals for row in rows]
    return [
        Command(
            store.SPANS.name,
            (
                store.int8s(row.start_s for row in rows),
                store.int8s(row.proc for row in rows),
                store.texts(key.environment for key in keys),
                store.texts(key.app_id for key in keys),
                store.texts(key.entry for key in keys),
                store.texts(key.peer for key in keys),
                store.int8s(round(t.requests) for t in totals),
                store.int8s(round(t.failed) for t in totals),
                store.int8s(round(t.business_errors) for t in totals),
                store.float8s(t.duration_ms for t in totals),
                store.byteas(histogram.encode(t.durations) for t in totals),
                store.byteas(_sketch(t.users) for t in totals),
                store.byteas(_sketch(t.failed_users) for t in totals),
            ),
        )
    ]


def exception_rows(rows: list[ExceptionRow]) -> list[Command]:
    """Rows of folded exceptions, to be overwritten."""
    if not rows:
        return []
    keys = [row.key for row in rows]
    totals = [row.totals for row in rows]
    return [
        Command(
            store.EXCEPTIONS.name,
            (
                store.int8s(row.start_s for row in rows),
                store.int8s(row.proc for row in rows),
                store.texts(key.environment for key in keys),
                store.texts(key.link for key in keys),
                store.texts(key.exception for key in keys),
                store.int8s(round(t.count) for t in totals),
                store.float8s(t.first_ns / 1e9 for t in totals),
                store.float8s(t.last_ns / 1e9 for t in totals),
            ),
        )
    ]


def sample_rows(samples: dict[bytes, Sample]) -> list[Command]:
    """Failing spans with their evidence."""
    if not samples:
        return []
    rows = [samples[key] for key in sorted(samples)]
    spans = [row.span for row in rows]
    return [
        Command(
            store.FAILING_SPANS.name,
            (
                store.byteas(s.trace_id for s in spans),
                store.byteas(s.span_id for s in spans),
                store.byteas(s.parent_id for s in spans),
                store.texts(s.environment for s in spans),
                store.texts(s.app_id for s in spans),
                store.texts(s.entry or s.peer_operation or s.name for s in spans),
                store.float8s(s.end_ns / 1e9 for s in spans),
                store.texts(row.exception for row in rows),
                store.texts(row.link for row in rows),
                store.texts(row.evidence.decode() for row in rows),
            ),
        )
    ]


def body_rows(bodies: list[bytes], now: float) -> list[Command]:
    """Hashes of the bodies in this group."""
    if not bodies:
        return []
    slot = store.int2(store.BODY_RING.slot(now))
    return [Command(store.BODIES.name, (slot, store.byteas(sorted(set(bodies))), store.float8(now)))]


def counter_rows(counters: dict[tuple[int, str, str], Counter], proc: int) -> list[Command]:
    """The counters of the attribution, to be overwritten."""
    if not counters:
        return []
    changed = [counters[key] for key in sorted(counters)]
    return [
        Command(
            store.TOKENS.name,
            (
                store.int8s(c.bucket_s for c in changed),
                store.texts(c.environment for c in changed),
                store.texts(c.key for c in changed),
                store.int8s(proc for _ in changed),
                store.texts(orjson.dumps(c.payload).decode() for c in changed),
            ),
        )
    ]
