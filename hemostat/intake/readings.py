"""What the parsers of `sources/` make of bytes: readings, free of any protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class SpanKind(IntEnum):
    """OpenTelemetry's span kinds, by their numbers on the wire."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class ExceptionReading:
    """An exception as a span event or log record tells it, already redacted."""

    type: str
    message: str = ""
    stacktrace: str = ""


@dataclass(slots=True)
class SpanReading:
    """One span, reduced to what detection and diagnosis need; times are Unix nanoseconds."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    kind: SpanKind
    name: str
    start_ns: int
    end_ns: int
    environment: str
    app_id: str
    """`service.namespace/service.name`."""
    version: str = ""
    instance: str = ""
    """host or instance id, "" when the sender does not say."""
    failed: bool = False
    """status ERROR, an exception event on an unset status, or HTTP 5xx."""
    http_code: int = 0
    """0: none. 4xx is business, counted apart."""
    entry: str = ""
    """the entry method, for SERVER and CONSUMER spans: `METHOD route`, `rpc.service/rpc.method` …, else the name."""
    peer: str = ""
    """for CLIENT and PRODUCER spans: `peer.service`, else `server.address`, `db.system`, destination."""
    peer_operation: str = ""
    """for CLIENT spans: what was asked of the peer (`GET /items/{id}`, `SELECT orders` …)."""
    business_code: str = ""
    """a business error code where the span carries one (`error.code`, `app.error_code`)."""
    result_error: bool = False
    """`hemostat.exception.class=result`, or `error.type` on an answered CLIENT span."""
    exception: ExceptionReading | None = None
    user: int = 0
    """keyed 64-bit hash of the user's id, 0 when unknown."""
    weight: float = 1.0
    """how many requests this span stands for (1 / sampling probability)."""
    attributes: dict[str, str] = field(default_factory=dict)
    """kept (redacted) for failing spans only, as evidence."""


@dataclass(frozen=True, slots=True)
class AlertReading:
    """One alert of a batch; identity is the full label set, empty labels dropped. Times are Unix seconds or None."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float | None
    ends_at: float | None
    generator_url: str = ""
