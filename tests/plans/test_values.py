"""No value of an incident can become more than a value: not a second argument, not an option, not another address."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.plans.rules import values
from hemostat.plans.rules.plan import CommandStep, HttpStep
from hemostat.plans.rules.prepared import PreparedCommand, PreparedHttp, prepare, preview
from hemostat.plans.rules.values import Filling, MissingValueError, TemplateError, ValueRefusedError


def filling(**given_values: str) -> Filling:
    return Filling(given_values, {"TOKEN": "hunter22"})


def command(*argv: str, **fields: object) -> CommandStep:
    return CommandStep(name="x", argv=argv, **fields)  # type: ignore[arg-type]


@given(st.text(min_size=1).filter(lambda v: not v.startswith("-") and all(c >= " " and c != "\x7f" for c in v)))
def test_a_value_stays_one_argument_whatever_it_holds(value: str) -> None:
    prepared = prepare(command("restart", "{service}", "--name={service}"), filling(service=value))
    assert isinstance(prepared, PreparedCommand)
    assert prepared.argv == ("restart", value, f"--name={value}")


def test_a_value_that_looks_like_an_option_is_refused_where_it_would_be_one() -> None:
    with pytest.raises(ValueRefusedError, match="read as an option"):
        prepare(command("rm", "{service}"), filling(service="-rf"))
    prepared = prepare(command("rm", "--", "./{service}"), filling(service="-rf"))
    assert isinstance(prepared, PreparedCommand)
    assert prepared.argv[-1] == "./-rf"


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb"])
def test_control_characters_are_refused_in_arguments_and_headers(value: str) -> None:
    with pytest.raises(ValueRefusedError):
        prepare(command("x", "{service}"), filling(service=value))
    with pytest.raises(ValueRefusedError):
        prepare(HttpStep(name="x", url="http://h/", headers={"x-service": "{service}"}), filling(service=value))


URL = "http://ops.test:8080/services/{service}/restart?by={operation}"


@given(st.text(min_size=1).filter(lambda v: v not in (".", "..") and all(c >= " " and c != "\x7f" for c in v)))
def test_a_value_cannot_leave_its_place_in_a_url(value: str) -> None:
    prepared = prepare(HttpStep(name="x", url=URL), filling(service=value, operation="op"))
    assert isinstance(prepared, PreparedHttp)
    parts = urlsplit(prepared.url)
    assert (parts.netloc, parts.query, parts.fragment) == ("ops.test:8080", "by=op", "")
    assert parts.path.split("/")[0:2] + parts.path.split("/")[3:] == ["", "services", "restart"]


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_cannot_climb_in_the_path(value: str) -> None:
    with pytest.raises(ValueRefusedError):
        prepare(HttpStep(name="x", url=URL), filling(service=value, operation="op"))


@pytest.mark.parametrize("value", ["evil.test/", "user@evil.test", "a:b:c", "a b", "[::1]", "evil.test#"])
def test_only_a_host_name_can_stand_as_host(value: str) -> None:
    step = HttpStep(name="x", url="http://{instance}/restart")
    with pytest.raises(ValueRefusedError, match="no host name"):
        prepare(step, filling(instance=value))
    prepared = prepare(step, filling(instance="orders-1.shop:9000"))
    assert isinstance(prepared, PreparedHttp)
    assert prepared.url == "http://orders-1.shop:9000/restart"


def test_a_value_in_a_body_is_encoded_as_json() -> None:
    step = HttpStep(name="x", url="http://h/", body={"service": "{service}", "replicas": 2, "tags": ["{service}"]})
    prepared = prepare(step, filling(service='a","admin":"yes'))
    assert isinstance(prepared, PreparedHttp)
    assert (
        prepared.content
        == b'{"service": "a\\",\\"admin\\":\\"yes", "replicas": 2, "tags": ["a\\",\\"admin\\":\\"yes"]}'
    )


def test_a_value_is_never_read_as_a_template_itself() -> None:
    prepared = prepare(command("echo", "x{service}"), filling(service="{operation}{secret:TOKEN}"))
    assert isinstance(prepared, PreparedCommand)
    assert prepared.argv == ("echo", "x{operation}{secret:TOKEN}")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MissingValueError, match="previous_version"):
        prepare(command("deploy", "{previous_version}"), filling())
    with pytest.raises(MissingValueError, match="service"):
        prepare(command("deploy", "{service}"), filling(service=""))


def test_a_preview_shows_dots_for_secrets() -> None:
    step = HttpStep(name="x", url="http://h/{service}", headers={"authorization": "Bearer {secret:TOKEN}"})
    assert preview(step, filling(service="orders")) == "POST http://h/orders"
    prepared = prepare(step, filling(service="orders"))
    assert isinstance(prepared, PreparedHttp)
    assert prepared.headers["authorization"] == "Bearer hunter22"


@pytest.mark.parametrize(
    "template", ["{service.__class__}", "{service!r}", "{service:>10}", "{0}", "{", "a}b", "{ service }"]
)
def test_anything_but_a_plain_name_in_braces_is_an_error(template: str) -> None:
    with pytest.raises(TemplateError):
        values.parts(template)


def test_a_name_for_people_is_filled_in_as_far_as_it_is_known() -> None:
    assert (
        values.fill_label("Roll {service} back to {previous_version}", {"service": "x"})
        == "Roll x back to {previous_version}"
    )


def test_doubled_braces_are_braces() -> None:
    assert values.fill_argument("{{{service}}}", filling(service="x")) == "{x}"
