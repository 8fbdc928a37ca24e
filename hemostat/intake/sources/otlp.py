"""OTLP traces: bytes to span readings, and what was refused by the path of its field.

Protobuf is decoded by the official classes; JSON is brought into the same classes (`otlp_json`), so that one walk
reads both. A span that cannot be used is refused alone; the others of its request are kept. Everything that will be
stored is redacted here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from hemostat.intake.readings import ExceptionReading, SpanKind, SpanReading
from hemostat.intake.rules.limits import BadInputError, Limits
from hemostat.intake.rules.redaction import redact, redact_name, redact_value
from hemostat.intake.sources import otlp_json
from hemostat.intake.sources import otlp_vocabulary as words

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_STATUS_UNSET, _STATUS_ERROR = 0, 2
_KINDS = {kind.value: kind for kind in SpanKind}
_MAX_REASONS = 5


@dataclass(slots=True)
class Telemetry:
    """What a request held: readings, how many spans were refused, and why (the first few reasons)."""

    spans: list[SpanReading] = field(default_factory=list)
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        """Count one refused span."""
        self.refused += 1
        if len(self.reasons) < _MAX_REASONS:
            self.reasons.append(reason)

    @property
    def explanation(self) -> str:
        """The reasons in one line; "" when nothing was refused."""
        more = self.refused - len(self.reasons)
        return "; ".join(self.reasons) + (f"; and {more} more" if more > 0 else "")


def decode(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    """The request in `body`; raises `BadInputError` for what is not one."""
    if content_type == JSON:
        return otlp_json.decode(body)
    try:
        return ExportTraceServiceRequest.FromString(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"body: wanted a protobuf ExportTraceServiceRequest; {error}") from error


def answer(telemetry: Telemetry, content_type: str) -> bytes:
    """The body of the 200: empty message, or which part was refused and why."""
    if content_type == JSON:
        if not telemetry.refused:
            return b"{}"
        partial = {"rejectedSpans": str(telemetry.refused), "errorMessage": telemetry.explanation}
        return orjson.dumps({"partialSuccess": partial})
    if not telemetry.refused:
        return b""
    response = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=telemetry.refused, error_message=telemetry.explanation)
    )
    return bytes(response.SerializeToString())


def error_body(message: str, content_type: str) -> bytes:
    """The body of an error: a google.rpc.Status with only its message, in the sender's encoding."""
    if content_type == JSON:
        return orjson.dumps({"message": message})
    text = message.encode()
    size, length = len(text), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x12" + bytes(length) + text


def user_hasher(key: bytes) -> Callable[[str], int]:
    """A keyed 64-bit hash of user ids, so that nobody can find the id for a hash; 0 is never given."""

    def hashed(user: str) -> int:
        digest = hashlib.blake2b(user.encode(), digest_size=8, key=key[:64], person=b"hemostat-user").digest()
        return int.from_bytes(digest, "big") or 1

    return hashed


def _too_deep(value: AnyValue, depth: int) -> bool:
    match value.WhichOneof("value"):
        case "array_value":
            children: Iterable[AnyValue] = value.array_value.values
        case "kvlist_value":
            children = (item.value for item in value.kvlist_value.values)
        case _:
            return False
    return depth == 0 or any(_too_deep(child, depth - 1) for child in children)


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return value.bytes_value.hex()
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: redact_value(item.key, _text(item.value)) for item in value.kvlist_value.values}
    return ""


def _text(value: AnyValue) -> str:
    """An attribute's value as text, as it will be shown."""
    plain = value.string_value or _plain(value)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (list, dict)):
        return orjson.dumps(plain).decode()
    return str(plain)


@dataclass(frozen=True, slots=True)
class _Origin:
    """What all spans of a resource share."""

    app_id: str
    environment: str
    version: str
    instance: str


class Reader:
    """Reads requests of one installation: its limits, and its key for users' ids."""

    def __init__(self, user_hash: Callable[[str], int], limits: Limits | None = None) -> None:
        self._user_hash = user_hash
        self._limits = limits or Limits()

    def read(self, request: ExportTraceServiceRequest, *, environment: str, now_ns: int) -> Telemetry:
        """The readings of a request; `environment` is that of the source, for resources that name none.

        Raises `BadInputError` where not a single span of several could be used, or the request holds too many.
        """
        telemetry = Telemetry()
        total = sum(len(scope.spans) for part in request.resource_spans for scope in part.scope_spans)
        if total > self._limits.spans:
            raise BadInputError(f"resourceSpans: wanted at most {self._limits.spans} spans a request, found {total}")
        for i, part in enumerate(request.resource_spans):
            origin = self._origin(part.resource, environment)
            for j, scope in enumerate(part.scope_spans):
                for k, span in enumerate(scope.spans):
                    try:
                        telemetry.spans.append(self._span(span, origin, now_ns))
                    except BadInputError as error:
                        telemetry.refuse(f"resourceSpans[{i}].scopeSpans[{j}].spans[{k}].{error}")
        if telemetry.refused and not telemetry.spans:
            raise BadInputError(telemetry.explanation)
        return telemetry

    def _origin(self, resource: Resource, environment: str) -> _Origin:
        known = {
            pair.key: _text(pair.value)
            for pair in resource.attributes[: self._limits.attributes]
            if pair.key in words.RESOURCE_KEYS
        }
        return _Origin(
            app_id=redact_name(words.service(known)),
            environment=words.environment(known, environment),
            version=redact_name(words.first(known, words.VERSION)[:100]),
            instance=redact_name(words.first(known, words.INSTANCE)[:200]),
        )

    def _check(self, span: Span, now_ns: int) -> None:
        trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
        if len(trace_id) != 16:
            raise BadInputError(f"traceId: wanted 16 bytes, found {len(trace_id)}")
        if not any(trace_id):
            raise BadInputError("traceId: wanted an id, found all zeros")
        if len(span_id) != 8:
            raise BadInputError(f"spanId: wanted 8 bytes, found {len(span_id)}")
        if not any(span_id):
            raise BadInputError("spanId: wanted an id, found all zeros")
        if parent_id and len(parent_id) != 8:
            raise BadInputError(f"parentSpanId: wanted 8 bytes or none, found {len(parent_id)}")
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        if not start:
            raise BadInputError("startTimeUnixNano: wanted a time, found 0")
        if end < start:
            raise BadInputError("endTimeUnixNano: wanted a time not before the start, found an earlier one")
        if end > now_ns + self._limits.future_s * 1_000_000_000:
            raise BadInputError(
                f"endTimeUnixNano: wanted a time in the past, found one {(end - now_ns) // 1_000_000_000} s "
                "ahead of this clock"
            )
        if end < now_ns - self._limits.past_s * 1_000_000_000:
            raise BadInputError(
                f"endTimeUnixNano: wanted a time of the last {self._limits.past_s} s, found one "
                f"{(now_ns - end) // 1_000_000_000} s ago"
            )
        if len(span.attributes) > self._limits.attributes:
            raise BadInputError(f"attributes: wanted at most {self._limits.attributes}, found {len(span.attributes)}")
        if len(span.events) > self._limits.events:
            raise BadInputError(f"events: wanted at most {self._limits.events}, found {len(span.events)}")

    def _evidence(self, span: Span) -> dict[str, str]:
        limits = self._limits
        kept: dict[str, str] = {}
        for index, pair in enumerate(span.attributes):
            if _too_deep(pair.value, limits.depth):
                raise BadInputError(f"attributes[{index}].value: nested deeper than {limits.depth} levels")
            if pair.key in words.USER:
                continue
            kept[redact(pair.key[:100])] = redact_value(pair.key, _text(pair.value)[: limits.text])
        return kept

    def _exception(self, span: Span) -> ExceptionReading | None:
        for event in reversed(span.events):
            if event.name != "exception":
                continue
            told = {pair.key: _text(pair.value) for pair in event.attributes}
            return ExceptionReading(
                type=redact_name(told.get("exception.type", "")[:300]),
                message=redact(told.get("exception.message", "")[: self._limits.message]),
                stacktrace=redact(told.get("exception.stacktrace", "")[: self._limits.stacktrace]),
            )
        return None

    def _span(self, span: Span, origin: _Origin, now_ns: int) -> SpanReading:
        self._check(span, now_ns)
        kind = _KINDS.get(span.kind, SpanKind.UNSPECIFIED)
        name = redact_name(span.name[: words.MAX_ENTRY])
        pairs: list[tuple[str, str]] = []
        user = ""
        for pair in span.attributes:
            key = pair.key
            if key in words.SPAN_KEYS:
                pairs.append((key, pair.value.string_value or _text(pair.value)))
            elif key in words.USER:
                user = user if user and key != words.USER[0] else _text(pair.value)
        said = words.meaning(kind, name, tuple(pairs))
        code, status = said.http_code, span.status.code
        exception = self._exception(span) if span.events else None
        failed = status == _STATUS_ERROR or code >= 500 or (status == _STATUS_UNSET and exception is not None)
        if kind is SpanKind.SERVER and 400 <= code < 500:
            failed = False
        reading = SpanReading(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_span_id,
            kind=kind,
            name=name,
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            environment=origin.environment,
            app_id=origin.app_id,
            version=origin.version,
            instance=origin.instance,
            failed=failed,
            http_code=code,
            entry=said.entry,
            peer=said.peer,
            peer_operation=said.peer_operation,
            exception=exception,
            user=self._user_hash(user) if user else 0,
        )
        if span.trace_state:
            reading.weight = words.sampling_weight(span.trace_state)
        if failed or code >= 400:
            reading.business_code = said.business_code
            reading.result_error = said.result_error
            reading.attributes = self._evidence(span)
            if message := span.status.message:
                reading.attributes.setdefault("status.message", redact(message[: self._limits.message]))
        return reading
