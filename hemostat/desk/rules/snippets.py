"""Configurations that people paste into their senders, with address and token already in them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

PLACEHOLDER = "YOUR_TOKEN"


@dataclass(frozen=True)
class Snippet:
    """One way to connect a sender."""

    id: str
    name: str
    sub: str
    text: str


def _intake_address(public_url: str, intake_port: int) -> str:
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.hostname}:{intake_port}"


def otlp(public_url: str, intake_port: int, token: str) -> tuple[Snippet, ...]:
    """How OpenTelemetry senders connect."""
    address = _intake_address(public_url, intake_port)
    return (
        Snippet(
            "otel-sdk",
            _("OpenTelemetry SDK"),
            _("environment of your service, any language"),
            f"OTEL_EXPORTER_OTLP_ENDPOINT={address}\n"
            f'OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer {token}"\n'
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
            "OTEL_SERVICE_NAME=orders\n"
            "OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,deployment.environment.name=production",
        ),
        Snippet(
            "otel-collector",
            _("OpenTelemetry Collector"),
            _("add to what you have"),
            "exporters:\n"
            "  otlphttp/hemostat:\n"
            f"    endpoint: {address}\n"
            "    headers:\n"
            f'      Authorization: "Bearer {token}"\n'
            "service:\n"
            "  pipelines:\n"
            "    traces:\n"
            "      exporters: [otlphttp/hemostat]",
        ),
    )


def alertmanager(public_url: str, token: str) -> tuple[Snippet, ...]:
    """How Prometheus and everything that speaks to an Alertmanager connect."""
    parts = urlsplit(public_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (
        Snippet(
            "prometheus",
            _("Prometheus"),
            _("prometheus.yml, no Alertmanager needed"),
            "alerting:\n"
            "  alertmanagers:\n"
            f"    - scheme: {parts.scheme}\n"
            "      authorization:\n"
            f"        credentials: {token}\n"
            "      static_configs:\n"
            f'        - targets: ["{parts.hostname}:{port}"]',
        ),
        Snippet(
            "curl",
            _("By hand"),
            _("one alert, to see that the way is open"),
            f"curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n"
            f"  {public_url.rstrip('/')}/api/v2/alerts -d \\\n"
            """  '[{"labels": {"alertname": "Test", "severity": "warning"}}]'""",
        ),
    )


def snippets(protocol: str, public_url: str, intake_port: int, token: str = PLACEHOLDER) -> tuple[Snippet, ...]:
    """The configurations for a source of `protocol`; without a token they hold a placeholder."""
    if protocol == "otlp":
        return otlp(public_url, intake_port, token)
    return alertmanager(public_url, token)
