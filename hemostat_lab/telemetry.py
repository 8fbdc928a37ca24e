"""The official OpenTelemetry SDK, set up as any service would: traces by OTLP over HTTP, in protobuf."""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from hemostat_lab.layout import Telemetry

SCHEDULE_MS = 500
"""Spans leave at most this much later; the SDK's default of 5 s would only add to every answer time."""


def start(telemetry: Telemetry, *, service: str, instance: str, version: str) -> TracerProvider:
    """Make and set the process's tracer provider; `shutdown()` it at the end, or the last spans are lost."""
    # The instrumentations read this when they are loaded: the stable HTTP conventions, not the former ones.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": service,
                "service.version": version,
                "service.instance.id": instance,
                "host.name": f"{instance}.lab",
                "deployment.environment.name": telemetry.environment,
            }
        )
    )
    if telemetry.endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(
            endpoint=telemetry.endpoint,
            headers={"authorization": f"Bearer {telemetry.token}"} if telemetry.token else {},
            timeout=10,
        )
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter, schedule_delay_millis=SCHEDULE_MS, max_queue_size=8192, max_export_batch_size=512
            )
        )
    trace.set_tracer_provider(provider)
    return provider
