"""Writing generated spans as the OTLP requests a real sender would make."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from hemostat_evaluation.cases import EPOCH_S
from hemostat_evaluation.requests import Span


def _pair(key: str, value: str | int) -> KeyValue:
    kind = {"int_value": value} if isinstance(value, int) else {"string_value": value}
    return KeyValue(key=key, value=AnyValue(**kind))


def request(spans: Sequence[Span], sampling: float = 1.0) -> ExportTraceServiceRequest:
    """One export of one host; `spans` share their service and host."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    first = spans[0]
    group.resource.attributes.extend(
        [
            _pair("service.name", first.service),
            _pair("service.instance.id", first.host),
            _pair("deployment.environment.name", "test"),
        ]
    )
    target = group.scope_spans.add().spans
    for span in spans:
        out = target.add(
            trace_id=span.trace.to_bytes(16, "big"),
            span_id=span.id.to_bytes(8, "big"),
            parent_span_id=span.parent.to_bytes(8, "big") if span.parent else b"",
            name=span.name,
            kind=span.kind,
            start_time_unix_nano=EPOCH_S * 10**9 + span.start_ns,
            end_time_unix_nano=EPOCH_S * 10**9 + span.end_ns,
            attributes=[_pair(k, v) for k, v in span.attributes.items()],
        )
        if span.error:
            out.status.code = 2  # type: ignore[assignment]
        if span.exception:
            out.events.add(
                name="exception",
                time_unix_nano=EPOCH_S * 10**9 + span.end_ns,
                attributes=[_pair("exception.type", span.exception[0]), _pair("exception.message", span.exception[1])],
            )
        if sampling < 1:
            # W3C trace state, OpenTelemetry's consistent sampling: the rejection threshold in hex
            out.trace_state = f"ot=th:{int((1 - sampling) * 16):x}"
    return message
