"""OTLP's JSON: like protobuf's JSON mapping, but ids are hex and enums are numbers; integers may be strings.

The text is decoded into structs first, because their errors name the field; the structs then become the official
messages. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hemostat.intake.rules.limits import BadInputError

Integer = int | str


class _Struct(msgspec.Struct, rename="camel", gc=False):
    """All fields may be missing or null, as in protobuf's mapping; unknown ones are ignored."""


class Value(_Struct):
    """AnyValue: one of these."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Integer | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: Values | None = None
    kvlist_value: Pairs | None = None


class Values(_Struct):
    """ArrayValue."""

    values: list[Value] | None = None


class Pair(_Struct):
    """KeyValue."""

    key: str | None = None
    value: Value | None = None


class Pairs(_Struct):
    """KeyValueList."""

    values: list[Pair] | None = None


class Event(_Struct):
    """Span.Event."""

    time_unix_nano: Integer | None = None
    name: str | None = None
    attributes: list[Pair] | None = None


class Status(_Struct):
    """Status."""

    code: Integer | None = None
    message: str | None = None


class Span(_Struct):
    """Span, without what is not used here."""

    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    trace_state: str | None = None
    name: str | None = None
    kind: Integer | None = None
    start_time_unix_nano: Integer | None = None
    end_time_unix_nano: Integer | None = None
    attributes: list[Pair] | None = None
    events: list[Event] | None = None
    status: Status | None = None


class Scope(_Struct):
    """ScopeSpans."""

    spans: list[Span] | None = None


class Resource(_Struct):
    """Resource."""

    attributes: list[Pair] | None = None


class ResourceSpans(_Struct):
    """ResourceSpans."""

    resource: Resource | None = None
    scope_spans: list[Scope] | None = None


class Request(_Struct):
    """ExportTraceServiceRequest."""

    resource_spans: list[ResourceSpans] | None = None


_decoder = msgspec.json.Decoder(Request)
_UNSIGNED = (0, (1 << 64) - 1)
_SIGNED = (-(1 << 63), (1 << 63) - 1)
_ENUM = (0, (1 << 31) - 1)


def _integer(value: Integer | None, path: str, bounds: tuple[int, int]) -> int:
    if value is None:
        return 0
    try:
        number = int(value)
    except ValueError:
        raise BadInputError(f"{path}: wanted a whole number, found {str(value)[:40]!r}") from None
    if not bounds[0] <= number <= bounds[1]:
        raise BadInputError(f"{path}: wanted a number from {bounds[0]} to {bounds[1]}, found {number}")
    return number


def _hex(value: str | None, path: str) -> bytes:
    try:
        return bytes.fromhex(value or "")
    except ValueError:
        raise BadInputError(f"{path}: wanted hexadecimal digits, found {str(value)[:40]!r}") from None


def _value(value: Value | None, path: str) -> dict[str, Any]:
    if value is None:
        return {}
    if value.string_value is not None:
        return {"string_value": value.string_value}
    if value.bool_value is not None:
        return {"bool_value": value.bool_value}
    if value.int_value is not None:
        return {"int_value": _integer(value.int_value, f"{path}.intValue", _SIGNED)}
    if value.double_value is not None:
        try:
            return {"double_value": float(value.double_value)}
        except ValueError:
            raise BadInputError(
                f"{path}.doubleValue: wanted a number, found {str(value.double_value)[:40]!r}"
            ) from None
    if value.bytes_value is not None:
        try:
            return {"bytes_value": base64.b64decode(value.bytes_value)}
        except (binascii.Error, ValueError):
            raise BadInputError(f"{path}.bytesValue: wanted base64") from None
    if value.array_value is not None:
        items = value.array_value.values or []
        return {"array_value": {"values": [_value(v, f"{path}.arrayValue.values[{i}]") for i, v in enumerate(items)]}}
    if value.kvlist_value is not None:
        return {"kvlist_value": {"values": _pairs(value.kvlist_value.values, f"{path}.kvlistValue.values")}}
    return {}


def _pairs(pairs: list[Pair] | None, path: str) -> list[dict[str, Any]]:
    return [
        {"key": pair.key or "", "value": _value(pair.value, f"{path}[{i}].value")} for i, pair in enumerate(pairs or [])
    ]


def _span(span: Span, path: str) -> dict[str, Any]:
    status = span.status or Status()
    return {
        "trace_id": _hex(span.trace_id, f"{path}.traceId"),
        "span_id": _hex(span.span_id, f"{path}.spanId"),
        "parent_span_id": _hex(span.parent_span_id, f"{path}.parentSpanId"),
        "trace_state": span.trace_state or "",
        "name": span.name or "",
        "kind": _integer(span.kind, f"{path}.kind", _ENUM),
        "start_time_unix_nano": _integer(span.start_time_unix_nano, f"{path}.startTimeUnixNano", _UNSIGNED),
        "end_time_unix_nano": _integer(span.end_time_unix_nano, f"{path}.endTimeUnixNano", _UNSIGNED),
        "attributes": _pairs(span.attributes, f"{path}.attributes"),
        "events": [
            {
                "time_unix_nano": _integer(e.time_unix_nano, f"{path}.events[{i}].timeUnixNano", _UNSIGNED),
                "name": e.name or "",
                "attributes": _pairs(e.attributes, f"{path}.events[{i}].attributes"),
            }
            for i, e in enumerate(span.events or [])
        ],
        "status": {
            "code": _integer(status.code, f"{path}.status.code", _ENUM),
            "message": status.message or "",
        },
    }


def decode(body: bytes) -> ExportTraceServiceRequest:
    """The request in `body`; raises `BadInputError` naming the field that is not what it should be."""
    try:
        return _message(_decoder.decode(body))
    except msgspec.ValidationError as error:
        raise BadInputError(_named(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"body: wanted JSON; {error}") from error
    except RecursionError:
        raise BadInputError("body: nested too deeply") from None


def _message(request: Request) -> ExportTraceServiceRequest:
    parts = [
        {
            "resource": {
                "attributes": _pairs(
                    part.resource.attributes if part.resource else None, f"resourceSpans[{i}].resource.attributes"
                )
            },
            "scope_spans": [
                {
                    "spans": [
                        _span(span, f"resourceSpans[{i}].scopeSpans[{j}].spans[{k}]")
                        for k, span in enumerate(scope.spans or [])
                    ]
                }
                for j, scope in enumerate(part.scope_spans or [])
            ],
        }
        for i, part in enumerate(request.resource_spans or [])
    ]
    return ExportTraceServiceRequest(resource_spans=parts)  # type: ignore[arg-type]  # the stubs know no dictionaries


def _named(error: str) -> str:
    """msgspec's "Expected `str`, got `int` - at `$.a[0].b`" with the field first."""
    told, at, path = error.rpartition(" - at `")
    return f"{path.rstrip('`').removeprefix('$').removeprefix('.') or 'body'}: {told}" if at else f"body: {error}"
