"""Making OTLP requests for tests, by the official classes."""

from __future__ import annotations

import os
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVER, CLIENT, INTERNAL = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL
PRODUCER, CONSUMER = Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    out = []
    for key, value in attributes.items():
        if isinstance(value, bool):
            out.append(KeyValue(key=key, value=AnyValue(bool_value=value)))
        elif isinstance(value, int):
            out.append(KeyValue(key=key, value=AnyValue(int_value=value)))
        elif isinstance(value, float):
            out.append(KeyValue(key=key, value=AnyValue(double_value=value)))
        else:
            out.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    return out


def span(
    name: str = "GET /pay",
    *,
    kind: Any = SERVER,
    trace: bytes | None = None,
    id: bytes | None = None,
    parent: bytes = b"",
    at: float | None = None,
    ms: float = 10.0,
    error: bool = False,
    exception: dict[str, str] | None = None,
    **attributes: Any,
) -> Span:
    """A span that ended at `at` (Unix seconds); attribute names with `__` for `.`."""
    end = int((time.time() if at is None else at) * 1e9)
    made = Span(
        trace_id=trace or os.urandom(16),
        span_id=id or os.urandom(8),
        parent_span_id=parent,
        name=name,
        kind=kind,
        start_time_unix_nano=end - int(ms * 1e6),
        end_time_unix_nano=end,
        attributes=pairs({k.replace("__", "."): v for k, v in attributes.items()}),
    )
    if error:
        made.status.code = 2
    if exception is not None:
        event = made.events.add(name="exception", time_unix_nano=end)
        event.attributes.extend(pairs({f"exception.{k}": v for k, v in exception.items()}))
    return made


def request(*spans: Span, service: str = "shop/checkout", **resource: Any) -> ExportTraceServiceRequest:
    """One resource with these spans."""
    namespace, _, name = service.rpartition("/")
    told = {"service.name": name, **({"service.namespace": namespace} if namespace else {})}
    told |= {k.replace("__", "."): v for k, v in resource.items()}
    made = ExportTraceServiceRequest()
    part = made.resource_spans.add()
    part.resource.attributes.extend(pairs(told))
    part.scope_spans.add().spans.extend(spans)
    return made


def merged(*requests: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """All of them in one."""
    made = ExportTraceServiceRequest()
    for one in requests:
        made.resource_spans.extend(one.resource_spans)
    return made
