"""The telemetry part of the door, by unmodified clients: what is answered 200 is counted, once."""

from __future__ import annotations

import gzip
import itertools
import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from hemostat.coordinates import queries as coordinates
from hemostat.intake import queries
from hemostat.intake.models import AcceptedBody, ExceptionBucket, FailingSpan, SpanBucket, TokenBucket
from hemostat.intake.rules import histogram
from hemostat.intake.rules.tally import Tally
from tests.intake.conftest import RunningDoor, wait_for
from tests.intake.otlp import CLIENT, SERVER, merged, request, span

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = itertools.count(1)
"""A fresh time in the head of each gzip: an exporter packs again for a second try."""
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def service() -> str:
    """A service of this test alone: the door remembers, longer than a test lasts, what it has counted."""
    return f"shop-{uuid.uuid4().hex[:8]}/checkout"


def send(door: RunningDoor, token: str, made: ExportTraceServiceRequest, *, packed: bool = False) -> httpx.Response:
    body = made.SerializeToString()
    headers = {**PROTOBUF, **({"content-encoding": "gzip"} if packed else {})}
    with door.client(token) as client:
        return client.post(
            "/v1/traces", content=gzip.compress(body, mtime=next(TIMES)) if packed else body, headers=headers
        )


def red(app_id: str, **more: object) -> list[queries.RedPoint]:
    now = datetime.now(UTC)
    return queries.red(
        "production", since=now - timedelta(hours=1), until=now + timedelta(hours=1), app_id=app_id, **more
    )  # type: ignore[arg-type]


def test_the_official_exporter_is_satisfied(otlp_token: str, door: RunningDoor, service: str) -> None:
    exporter = OTLPSpanExporter(endpoint=f"{door.url}/v1/traces", headers={"Authorization": f"Bearer {otlp_token}"})
    provider = TracerProvider(
        resource=Resource({"service.namespace": service.partition("/")[0], "service.name": "checkout"})
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    attributes = {"http.request.method": "POST", "http.route": "/pay", "user.id": "bob"}
    with tracer.start_as_current_span("POST /pay", kind=trace.SpanKind.SERVER, attributes=attributes):
        pass
    with (
        pytest.raises(ValueError, match="broken"),
        tracer.start_as_current_span("POST /pay", kind=trace.SpanKind.SERVER, attributes=attributes),
    ):
        raise ValueError("broken, password=hunter2")
    provider.shutdown()
    points = red(service)
    assert (sum(p.requests for p in points), sum(p.failed for p in points)) == (2, 1)
    assert {p.entry for p in points} == {"POST /pay"}
    assert queries.users_failed("production", service, "POST /pay", points[0].bucket, datetime.now(UTC)) == 1
    (sample,) = queries.samples("production", app_id=service)
    assert sample.evidence["type"] == "ValueError"
    assert "hunter2" not in str(sample.evidence)


def test_a_refused_request_is_told_as_a_status_in_the_senders_encoding(
    otlp_token: str, door: RunningDoor, service: str
) -> None:
    with door.client(otlp_token) as client:
        answer = client.post("/v1/traces", content=b"\xff\xff", headers=PROTOBUF)
        assert answer.status_code == 400
        assert "protobuf" in Status.FromString(answer.content).message
        answer = client.post("/v1/traces", content=b"{", headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert "JSON" in answer.json()["message"]
        assert client.post("/v1/traces", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
        packed = {**PROTOBUF, "content-encoding": "br"}
        assert client.post("/v1/traces", content=b"x", headers=packed).status_code == 415
        bomb = gzip.compress(bytes(65 << 20))
        assert len(bomb) < 100_000
        answer = client.post("/v1/traces", content=bomb, headers={**PROTOBUF, "content-encoding": "gzip"})
        assert answer.status_code == 413
    with door.client("hs_nobody") as client:
        assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 401


def test_part_of_a_request_may_be_refused(otlp_token: str, door: RunningDoor, service: str) -> None:
    bad = span()
    bad.trace_id = b"12345"
    answer = send(door, otlp_token, request(span(), bad, service=service))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message == "resourceSpans[0].scopeSpans[0].spans[1].traceId: wanted 16 bytes, found 5"
    assert sum(p.requests for p in red(service)) == 1


def test_a_body_sent_again_is_answered_and_not_counted_again(otlp_token: str, door: RunningDoor, service: str) -> None:
    bad = span()
    bad.span_id = b"1"
    made = request(span(), span(), bad, service=service)
    answers = [send(door, otlp_token, made, packed=True) for _ in range(3)]
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert sum(p.requests for p in red(service)) == 2
    assert AcceptedBody.objects.count() >= 1


def test_requests_calls_and_durations_are_counted_in_the_bucket_they_ended_in(
    otlp_token: str, door: RunningDoor, service: str
) -> None:
    base = int(time.time()) // 10 * 10 - 100
    spans = [
        span("a", at=base + 1, ms=100),
        span("a", at=base + 9.5, ms=20_000, error=True),
        span("a", at=base + 10.5, ms=1),
    ]
    spans += [span("a", at=base + 2, http__response__status_code=404)]
    spans += [span("q", kind=CLIENT, at=base + 3, db__system="redis"), span("q", kind=CLIENT, at=base + 3)]
    assert send(door, otlp_token, request(*spans, service=service)).status_code == 200
    first, second = red(service)
    assert first.bucket == datetime.fromtimestamp(base, UTC)
    assert (first.requests, first.failed, first.business_errors) == (3, 1, 1)
    assert first.duration_ms == pytest.approx(20_110)
    assert sum(first.histogram.values()) == 3
    assert histogram.quantile_ms(first.histogram, 1.0) == pytest.approx(20_000, rel=0.03)
    assert second.requests == 1
    calls = [p for p in red(service, own_only=False) if p.peer]
    assert [(p.entry, p.peer, p.requests) for p in calls] == [("", "redis", 1)]


def test_buckets_grow_over_several_requests(otlp_token: str, door: RunningDoor, service: str) -> None:
    base = int(time.time()) // 10 * 10 - 100
    for _ in range(5):
        send(door, otlp_token, request(span("a", at=base + 1), span("a", at=base + 1, error=True), service=service))
    (point,) = red(service)
    assert (point.requests, point.failed) == (10, 5)
    assert SpanBucket.objects.filter(app_id=service).count() == 1


def test_exceptions_are_folded_by_where_and_what(otlp_token: str, door: RunningDoor, service: str) -> None:
    """A whole trace in one request: the exception of the inner service lies on the path from the entry."""
    stock = service.replace("checkout", "stock")
    for n in range(3):
        ids = uuid.uuid4().bytes
        outer, call, inner = b"outer%03d" % n, b"call_%03d" % n, b"inner%03d" % n
        made = merged(
            request(
                span(
                    "GET",
                    trace=ids,
                    id=call,
                    parent=outer,
                    kind=CLIENT,
                    peer__service="stock",
                    error=True,
                    http__response__status_code=500,
                ),
                span("POST /pay", trace=ids, id=outer, error=True),
                service=service,
            ),
            request(
                span(
                    "GET /items",
                    trace=ids,
                    id=inner,
                    parent=call,
                    error=True,
                    exception={"type": "KeyError", "message": f"item {n}"},
                ),
                service=stock,
            ),
        )
        assert send(door, otlp_token, made).status_code == 200
    rows = {coordinates.exception(r.exception).coordinate.error_code: r for r in ExceptionBucket.objects.all()}  # type: ignore[union-attr]
    assert {code: row.count for code, row in rows.items()} == {"KeyError": 3, "http 500": 3, "error": 3}
    link = coordinates.link(rows["KeyError"].link)
    assert link is not None
    assert not link.partial
    assert [str(s) for s in link.path] == [f"{service}@POST /pay", f"{stock}@GET /items"]
    view = coordinates.exception(rows["http 500"].exception)
    assert view is not None
    assert view.system is not None
    assert (str(view.system), view.coordinate.exception_class, view.coordinate.peer) == (
        f"{service}@POST /pay",
        "result",
        "stock",
    )
    newest = queries.samples("production", exceptions=[rows["KeyError"].exception])
    assert {s.evidence["message"] for s in newest} == {"item 0", "item 1", "item 2"}


def test_an_exception_that_comes_before_its_parents_is_filed_again_when_they_came(
    otlp_token: str, door: RunningDoor, service: str
) -> None:
    stock, ids = service.replace("checkout", "stock"), uuid.uuid4().bytes
    inner = span(
        "GET /items", trace=ids, id=b"inner000", parent=b"call_000", error=True, exception={"type": "KeyError"}
    )
    send(door, otlp_token, request(inner, service=stock))
    (before,) = ExceptionBucket.objects.all()
    link = coordinates.link(before.link)
    assert link is not None
    assert link.partial
    outer = span("POST /pay", trace=ids, id=b"outer000")
    call = span("GET", trace=ids, id=b"call_000", parent=b"outer000", kind=CLIENT)
    send(door, otlp_token, request(outer, call, service=service))
    wait_for(lambda: ExceptionBucket.objects.filter(count=1).exclude(link=before.link).exists(), 20)
    whole = coordinates.link(ExceptionBucket.objects.get(count=1).link)
    assert whole is not None
    assert [str(s) for s in whole.path] == [f"{service}@POST /pay", f"{stock}@GET /items"]
    before.refresh_from_db()
    assert before.count == 0
    sample = FailingSpan.objects.get()
    assert sample.link == whole.code
    assert sample.sample["type"] == "KeyError"


def test_failing_requests_are_attributed(otlp_token: str, door: RunningDoor, service: str) -> None:
    send(
        door,
        otlp_token,
        request(*(span("POST /pay", error=True, exception={"type": "KeyError"}) for _ in range(4)), service=service),
    )
    wait_for(lambda: TokenBucket.objects.filter(key__startswith="tok:").exists(), 20)
    tally = Tally()
    for row in TokenBucket.objects.all():
        tally.absorb(row.key, row.payload)
    assert sum(count.traced for count in tally.tokens.values()) == 4
    assert {key.leaf.label for key in tally.tokens} == {"KeyError"}


def test_names_beyond_the_cap_are_counted_as_other(otlp_token: str, door: RunningDoor, service: str) -> None:
    spans = [span(f"GET /users/{n}", kind=SERVER, at=time.time() - 60) for n in range(400)]
    assert send(door, otlp_token, request(*spans, service=service)).status_code == 200
    points = red(service)
    assert sum(p.requests for p in points) == 400
    assert len(points) == 301
    assert next(p.requests for p in points if p.entry == "other") == 100
