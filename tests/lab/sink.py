"""A receiver for OTLP traces that keeps every span, for looking at what the lab really sends."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

TOKEN = "hs_1_of-the-sink"


@dataclass(frozen=True)
class Span:
    """One span as it arrived."""

    service: str
    resource: dict[str, object]
    kind: str
    name: str
    failed: bool
    attributes: dict[str, object]
    exceptions: list[dict[str, object]]
    trace: bytes
    parent: bytes


@dataclass
class Sink:
    """All spans so far, by trace."""

    traces: dict[bytes, list[Span]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    endpoint: str = ""

    def spans(self) -> list[Span]:
        with self.lock:
            return [span for spans in self.traces.values() for span in spans]

    def wait_for(self, wanted: Callable[[Span], bool], within: float = 30) -> Span:
        """The first span of that kind; fails when none has come in time."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for span in self.spans():
                if wanted(span):
                    return span
            time.sleep(0.2)
        raise AssertionError(f"no such span within {within:.0f} s, among {len(self.spans())}")

    def clear(self) -> None:
        with self.lock:
            self.traces.clear()


def serve(sink: Sink) -> ThreadingHTTPServer:
    """Start a receiver on a free loopback port; `shutdown()` ends it."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                sink.refused += 1
                self.send_error(401)
                return
            request = ExportTraceServiceRequest.FromString(body)
            with sink.lock:
                for resource_spans in request.resource_spans:
                    resource = _plain(resource_spans.resource.attributes)
                    for scope in resource_spans.scope_spans:
                        for span in scope.spans:
                            sink.traces[span.trace_id].append(_span(resource, span))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    sink.endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _span(resource: dict[str, object], span: WireSpan) -> Span:
    return Span(
        service=str(resource["service.name"]),
        resource=resource,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        name=span.name,
        failed=span.status.code == 2,
        attributes=_plain(span.attributes),
        exceptions=[_plain(event.attributes) for event in span.events if event.name == "exception"],
        trace=span.trace_id,
        parent=span.parent_span_id,
    )


def _plain(attributes: object) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in attributes if isinstance(pair, KeyValue)}  # type: ignore[attr-defined]


def _value(value: AnyValue) -> object:
    return getattr(value, value.WhichOneof("value") or "string_value")
