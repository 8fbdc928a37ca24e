"""Coordinates: the same place always has the same code, and two places never share one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.base.ids import short_code
from hemostat.coordinates.rules import codes, exceptions, link, system
from hemostat.coordinates.rules.codes import CoordinateError
from hemostat.coordinates.rules.exceptions import ExceptionClass, NodeException
from hemostat.coordinates.rules.link import Link
from hemostat.coordinates.rules.system import System

parts = st.text(st.sampled_from("ab/@#!:>%? {}.é\n-"), max_size=12)
systems = st.builds(System, parts, parts)
node_exceptions = st.builds(NodeException, parts, st.sampled_from(ExceptionClass), parts, parts)


@dataclass
class Raised:
    type: str
    message: str = ""


@dataclass
class Span:
    kind: int = 2
    failed: bool = True
    http_code: int = 0
    peer: str = ""
    business_code: str = ""
    result_error: bool = False
    exception: Raised | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@given(systems)
def test_a_system_coordinate_is_read_back(one: System) -> None:
    assert system.decode(str(one)) == one


@given(st.lists(systems, min_size=1, max_size=6), st.booleans())
def test_a_link_coordinate_is_read_back(path: list[System], partial: bool) -> None:
    assert link.decode(link.encode(path, partial=partial)) == Link(tuple(path), partial)


@given(node_exceptions)
def test_an_exception_coordinate_is_read_back(one: NodeException) -> None:
    assert exceptions.decode(str(one)) == one


@given(st.lists(systems, min_size=2, max_size=30, unique=True))
def test_two_systems_never_share_a_code(many: list[System]) -> None:
    assert len({s.code for s in many}) == len(many)


@given(st.lists(node_exceptions, min_size=2, max_size=30, unique=True))
def test_two_exceptions_never_share_a_code(many: list[NodeException]) -> None:
    assert len({e.code for e in many}) == len(many)


@given(st.lists(systems, min_size=1, max_size=5), st.lists(systems, min_size=1, max_size=5))
def test_two_links_share_a_code_only_when_they_are_the_same_path(one: list[System], other: list[System]) -> None:
    same = Link(tuple(one)).code == Link(tuple(other)).code
    assert same == (one == other)
    assert Link(tuple(one), partial=True).code != Link(tuple(one)).code


def test_the_codes_that_are_stored_never_change() -> None:
    assert str(System("shop/checkout", "POST /pay")) == "shop/checkout@POST /pay"
    assert system.code("shop/checkout", "POST /pay") == "lr4rnlcgerf4uecf"
    assert link.code(["lr4rnlcgerf4uecf", "aaaaaaaaaaaaaaaa"]) == link.code(("lr4rnlcgerf4uecf", "aaaaaaaaaaaaaaaa"))
    assert exceptions.encode("x", "dependency", "ConnectionRefusedError", "orders-db") == (
        "x!dependency:ConnectionRefusedError>orders-db"
    )


@pytest.mark.parametrize("text", ["no separator", "a%ZZ@b", "a%61@b"])
def test_a_text_that_is_no_coordinate_is_refused(text: str) -> None:
    with pytest.raises(CoordinateError):
        system.decode(text)


def test_a_link_without_systems_is_refused() -> None:
    with pytest.raises(CoordinateError):
        link.code([])
    with pytest.raises(CoordinateError):
        link.decode("?")


def test_a_code_held_by_another_text_is_lengthened() -> None:
    held = {short_code("mine"): "another text"}
    longer = codes.distinct_code("mine", held.get)
    assert longer == short_code("mine", 120)
    held[longer] = "mine"
    assert codes.distinct_code("mine", held.get) == longer
    assert codes.distinct_code("free", held.get) == short_code("free")


@given(ident=st.uuids(), line=st.integers(1, 99999), amount=st.integers(0, 10**12))
def test_ids_and_line_numbers_in_messages_do_not_move_a_coordinate(ident: object, line: int, amount: int) -> None:
    def raised(text: str) -> str:
        span = Span(exception=Raised("app.errors.ChargeError", text))
        return exceptions.of_span("sys", span).code

    assert raised(f"charge {ident} of {amount} failed at payment.py:{line}") == raised(
        "charge 1 of 2 failed at payment.py:3"
    )


@given(number=st.integers(10000, 10**9))
def test_an_address_in_a_type_name_does_not_move_a_coordinate(number: int) -> None:
    first = exceptions.of_span("s", Span(exception=Raised(f"com.shop.Handler$$Lambda${number}")))
    other = exceptions.of_span("s", Span(exception=Raised("com.shop.Handler$$Lambda$77777")))
    assert first == other


CALL, OWN = 3, 2


@pytest.mark.parametrize(
    ("span", "expected", "error"),
    [
        (
            Span(CALL, peer="db", exception=Raised("ConnectionRefusedError")),
            ExceptionClass.DEPENDENCY,
            "ConnectionRefusedError",
        ),
        (Span(CALL, peer="db", exception=Raised("TimeoutError")), ExceptionClass.DEPENDENCY, "TimeoutError"),
        (Span(CALL, peer="db"), ExceptionClass.DEPENDENCY, "error"),
        (Span(CALL, peer="pay", http_code=503), ExceptionClass.RESULT, "http 503"),
        (Span(CALL, peer="pay", failed=False, http_code=404), ExceptionClass.RESULT, "http 404"),
        (
            Span(CALL, peer="db", exception=Raised("psycopg.errors.UniqueViolation")),
            ExceptionClass.RESULT,
            "psycopg.errors.UniqueViolation",
        ),
        (
            Span(CALL, peer="db", exception=Raised("PoolTimeout", "no connection within 3 s")),
            ExceptionClass.RESOURCE,
            "PoolTimeout",
        ),
        (Span(CALL, failed=False, result_error=True), ExceptionClass.RESULT, "error"),
        (
            Span(OWN, http_code=500, exception=Raised("TypeError", "price is None")),
            ExceptionClass.INTERNAL,
            "TypeError",
        ),
        (Span(OWN, http_code=500), ExceptionClass.INTERNAL, "http 500"),
        (Span(OWN, http_code=504), ExceptionClass.DEPENDENCY, "http 504"),
        (
            Span(OWN, exception=Raised("httpx.ConnectError", "[Errno 111] Connection refused")),
            ExceptionClass.DEPENDENCY,
            "httpx.ConnectError",
        ),
        (
            Span(OWN, exception=Raised("httpx.HTTPStatusError")),
            ExceptionClass.RESULT,
            "httpx.HTTPStatusError",
        ),
        (
            Span(OWN, exception=Raised("java.lang.OutOfMemoryError")),
            ExceptionClass.RESOURCE,
            "java.lang.OutOfMemoryError",
        ),
        (
            Span(OWN, exception=Raised("ValueError"), business_code="PAY_402"),
            ExceptionClass.INTERNAL,
            "PAY_402",
        ),
        (
            Span(OWN, exception=Raised("X"), attributes={"hemostat.exception.class": "resource"}),
            ExceptionClass.RESOURCE,
            "X",
        ),
        (Span(OWN, failed=False), ExceptionClass.SLOW, "error"),
    ],
)
def test_the_class_of_an_exception_follows_from_what_the_span_says(
    span: Span, expected: ExceptionClass, error: str
) -> None:
    assert exceptions.classify(span) is expected
    assert exceptions.error_code(span) == error


def test_only_a_call_has_a_peer() -> None:
    assert exceptions.of_span("s", Span(CALL, peer="db")).peer == "db"
    assert exceptions.of_span("s", Span(OWN, peer="db")).peer == ""
