"""OTLP to readings: the vocabulary, both encodings alike, and errors that name the field."""

from __future__ import annotations

import json
import time

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules.limits import BadInputError, Limits
from hemostat.intake.sources import otlp
from tests.intake.otlp import CLIENT, CONSUMER, PRODUCER, SERVER, request, span

ONE = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{%s}]}]}]}'
DEEP = b'{"arrayValue":{"values":[' * 5000
READER = otlp.Reader(otlp.user_hasher(b"a key"), Limits())


def read(made: ExportTraceServiceRequest, environment: str = "production") -> otlp.Telemetry:
    return READER.read(made, environment=environment, now_ns=time.time_ns())


def one(made: ExportTraceServiceRequest) -> SpanReading:
    (reading,) = read(made).spans
    return reading


def as_otlp_json(made: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: protobuf's, but ids in hex and enums as numbers."""
    told = MessageToDict(made, use_integers_for_enums=True)
    for part, plain in zip(told["resourceSpans"], made.resource_spans, strict=True):
        for scope, plain_scope in zip(part["scopeSpans"], plain.scope_spans, strict=True):
            for one_span, plain_span in zip(scope["spans"], plain_scope.spans, strict=True):
                one_span["traceId"] = plain_span.trace_id.hex()
                one_span["spanId"] = plain_span.span_id.hex()
                if plain_span.parent_span_id:
                    one_span["parentSpanId"] = plain_span.parent_span_id.hex()
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("made", "entry"),
    [
        (span("GET", http__request__method="GET", http__route="/items/{id}"), "GET /items/{id}"),
        (span("GET", http__method="POST", http__route="/pay"), "POST /pay"),
        (span("x", kind=SERVER, rpc__service="Payments", rpc__method="Charge"), "Payments/Charge"),
        (
            span("x", kind=CONSUMER, messaging__destination__name="orders", messaging__operation__type="process"),
            "orders process",
        ),
        (span("x", kind=CONSUMER, messaging__destination="orders", messaging__operation="receive"), "orders receive"),
        (span("GET /users/7", http__request__method="GET"), "GET /users/7"),
        (span("", kind=SERVER), "unnamed"),
    ],
)
def test_the_entry_method_of_a_request(made: object, entry: str) -> None:
    assert one(request(made)).entry == entry  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "peer", "operation"),
    [
        (span("GET", kind=CLIENT, peer__service="stock", server__address="10.0.0.1"), "stock", "GET"),
        (
            span("GET", kind=CLIENT, server__address="stock", http__request__method="GET", url__template="/s/{id}"),
            "stock",
            "GET /s/{id}",
        ),
        (span("GET", kind=CLIENT, net__peer__name="stock"), "stock", "GET"),
        (
            span("q", kind=CLIENT, db__system="postgresql", db__operation="SELECT", db__sql__table="orders"),
            "postgresql",
            "SELECT orders",
        ),
        (span("q", kind=CLIENT, db__system__name="redis", db__operation__name="GET"), "redis", "GET"),
        (span("send", kind=PRODUCER, messaging__destination__name="orders"), "orders", "orders"),
        (span("x", kind=CLIENT), "", "x"),
    ],
)
def test_the_peer_of_a_call(made: object, peer: str, operation: str) -> None:
    reading = one(request(made))  # type: ignore[arg-type]
    assert (reading.peer, reading.peer_operation, reading.entry) == (peer, operation, "")


@pytest.mark.parametrize(
    ("made", "failed", "code"),
    [
        (span(), False, 0),
        (span(error=True), True, 0),
        (span(http__response__status_code=500), True, 500),
        (span(http__status_code=503), True, 503),
        (span(http__response__status_code="502"), True, 502),
        (span(http__response__status_code=404), False, 404),
        (span(http__response__status_code=404, error=True), False, 404),
        (span(kind=CLIENT, http__response__status_code=404, error=True), True, 404),
        (span(exception={"type": "ValueError"}), True, 0),
        (span(http__response__status_code="abc"), False, 0),
    ],
)
def test_what_counts_as_failing(made: object, failed: bool, code: int) -> None:
    reading = one(request(made))  # type: ignore[arg-type]
    assert (reading.failed, reading.http_code) == (failed, code)


def test_a_handled_exception_on_a_span_that_says_ok_is_no_failure() -> None:
    made = span(exception={"type": "ValueError"})
    made.status.code = 1
    assert not one(request(made)).failed


def test_who_and_where_come_from_the_resource() -> None:
    made = request(
        span(), service="shop/checkout", service__version="1.4", host__name="web-1", deployment__environment="EU Prod"
    )
    reading = one(made)
    assert (reading.app_id, reading.version, reading.instance, reading.environment) == (
        "shop/checkout",
        "1.4",
        "web-1",
        "eu-prod",
    )
    assert one(request(span(), service="pay")).app_id == "pay"
    assert read(request(span()), environment="lab").spans[0].environment == "lab"
    nameless = request(span())
    del nameless.resource_spans[0].resource.attributes[:]
    assert one(nameless).app_id == "unknown_service"


def test_users_are_only_ever_a_keyed_hash() -> None:
    first, again = one(request(span(user__id="bob"))), one(request(span(enduser__id="bob", error=True)))
    assert first.user == again.user != 0
    other = otlp.Reader(otlp.user_hasher(b"another key")).read(
        request(span(user__id="bob")), environment="x", now_ns=time.time_ns()
    )
    assert other.spans[0].user != first.user
    assert "bob" not in repr(again)


def test_a_result_error_is_an_answer_that_is_wrong() -> None:
    assert one(request(span(error=True, **{"hemostat__exception__class": "result"}))).result_error
    assert one(request(span(kind=CLIENT, error=True, error__type="500", http__response__status_code=500))).result_error
    assert not one(request(span(kind=CLIENT, error=True, error__type="ConnectionError"))).result_error


def test_evidence_of_a_failing_span_is_kept_without_secrets() -> None:
    reading = one(
        request(
            span(
                error=True,
                exception={
                    "type": "AuthError",
                    "message": "password=hunter2 for bob@example.com",
                    "stacktrace": "at f(token='abc')",
                },
                http__request__header__authorization="Bearer abcdefgh",
                db__statement="select 1",
            )
        )
    )
    assert reading.exception is not None
    text = repr(reading)
    assert not any(secret in text for secret in ("hunter2", "bob@", "abcdefgh", "'abc'"))
    assert reading.exception.type == "AuthError"
    assert reading.attributes["db.statement"] == "select 1"
    assert one(request(span(db__statement="select 1"))).attributes == {}


def test_the_last_exception_of_a_span_is_its_exception() -> None:
    made = span(error=True, exception={"type": "First"})
    made.events.extend(span(exception={"type": "Second"}).events)
    reading = one(request(made))
    assert reading.exception is not None
    assert reading.exception.type == "Second"


@pytest.mark.parametrize(
    ("state", "weight"),
    [
        ("", 1.0),
        ("ot=th:8", 2.0),
        ("vendor=x,ot=th:c;rv:1", 4.0),
        ("ot=p:3", 8.0),
        ("ot=th:zz", 1.0),
        ("ot=th:0", 1.0),
        ("ot=p:99", 1.0),
    ],
)
def test_a_sampled_span_stands_for_several(state: str, weight: float) -> None:
    made = span()
    made.trace_state = state
    assert one(request(made)).weight == pytest.approx(weight)


def test_json_says_the_same_as_protobuf() -> None:
    made = request(
        span(
            error=True,
            exception={"type": "E", "message": "m", "stacktrace": "s"},
            user__id="bob",
            http__route="/x",
            http__method="GET",
        ),
        span(kind=CLIENT, parent=b"12345678", db__system="redis", ratio=0.5, retried=True, size=2**53 + 1),
        deployment__environment__name="lab",
    )
    plain = otlp.decode(made.SerializeToString(), otlp.PROTOBUF)
    assert read(otlp.decode(as_otlp_json(made), otlp.JSON)) == read(plain)


def test_json_numbers_may_be_strings_and_fields_null() -> None:
    end = time.time_ns()
    body = {
        "resourceSpans": [
            {"resource": None, "scopeSpans": [{"scope": {"name": "x"}, "spans": [
                {"traceId": "ab" * 16, "spanId": "CD" * 8, "parentSpanId": None, "name": "n", "kind": 2,
                 "startTimeUnixNano": end - 5, "endTimeUnixNano": str(end), "events": None, "somethingNew": {}},
            ]}]}
        ]
    }  # fmt: skip
    reading = one(otlp.decode(json.dumps(body).encode(), otlp.JSON))
    assert (reading.trace_id, reading.span_id, reading.kind) == (b"\xab" * 16, b"\xcd" * 8, SpanKind.SERVER)
    assert reading.end_ns - reading.start_ns == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trace_id": b"12345"}, "traceId: wanted 16 bytes, found 5"),
        ({"trace_id": bytes(16)}, "traceId: wanted an id, found all zeros"),
        ({"span_id": b"1"}, "spanId: wanted 8 bytes, found 1"),
        ({"parent_span_id": b"1"}, "parentSpanId: wanted 8 bytes or none, found 1"),
        ({"start_time_unix_nano": 0}, "startTimeUnixNano: wanted a time, found 0"),
        ({"end_time_unix_nano": 5}, "endTimeUnixNano: wanted a time not before the start"),
        ({"end_time_unix_nano": time.time_ns() + 3600 * 10**9}, "endTimeUnixNano: wanted a time in the past"),
        ({"start_time_unix_nano": 1, "end_time_unix_nano": 2}, "endTimeUnixNano: wanted a time of the last 7200 s"),
    ],
)
def test_a_bad_span_is_refused_by_the_path_of_its_field_and_the_others_kept(
    change: dict[str, object], message: str
) -> None:
    bad = span()
    for name, value in change.items():
        setattr(bad, name, value)
    telemetry = read(request(span(), span(), bad))
    assert len(telemetry.spans) == 2
    assert telemetry.refused == 1
    assert telemetry.explanation.startswith(f"resourceSpans[0].scopeSpans[0].spans[2].{message}")
    response = ExportTraceServiceResponse.FromString(otlp.answer(telemetry, otlp.PROTOBUF))
    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == telemetry.explanation
    assert json.loads(otlp.answer(telemetry, otlp.JSON))["partialSuccess"]["rejectedSpans"] == "1"
    with pytest.raises(BadInputError, match=r"resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\."):
        read(request(bad))


def test_too_many_attributes_and_too_deep_values_are_refused() -> None:
    wide = span(**{f"a{n}": n for n in range(600)})
    assert "attributes: wanted at most 512, found 600" in read(request(span(), wide)).explanation
    deep = span(error=True)
    value = deep.attributes.add(key="deep").value
    for _ in range(20):
        value = value.array_value.values.add()
    assert "attributes[0].value: nested deeper than 8 levels" in read(request(span(), deep)).explanation


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"\xff\xff\xff", otlp.PROTOBUF, "wanted a protobuf"),
        (b"{", otlp.JSON, "wanted JSON"),
        (ONE % b'"traceId":5', otlp.JSON, r"resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.traceId: Expected"),
        (ONE % b'"kind":"x"', otlp.JSON, r"spans\[0\]\.kind: wanted a whole number"),
        (ONE % b'"endTimeUnixNano":-1', otlp.JSON, r"endTimeUnixNano: wanted a number from 0"),
        (b'{"resourceSpans":[{"resource":{"attributes":[{"value":' + DEEP, otlp.JSON, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_the_field(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        otlp.decode(body, content_type)


def test_error_bodies_are_status_messages_in_the_senders_encoding() -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Status  # its field 2 is the message, as in google.rpc.Status

    for text in ("short", "long " * 100):
        assert Status.FromString(otlp.error_body(text, otlp.PROTOBUF)).message == text
        assert json.loads(otlp.error_body(text, otlp.JSON)) == {"message": text}
