"""Secrets never get through, whatever stands around them; words are left alone."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hemostat.base.ids import new_token
from hemostat.intake.rules import redaction
from hemostat.intake.rules.redaction import is_secret_key, luhn, redact, redact_value

word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
around = st.lists(word, max_size=5).map(" ".join)
secret = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=8, max_size=24)


@st.composite
def cards(draw: st.DrawFn) -> str:
    digits = draw(st.sampled_from("3456")) + draw(st.text("0123456789", min_size=14, max_size=14))
    last = next(d for d in "0123456789" if luhn(digits + d))
    number = digits + last
    separator = draw(st.sampled_from(["", " ", "-"]))
    return separator.join(number[i : i + 4] for i in range(0, 16, 4))


SHAPES = [
    "password={}", "Password: {}", "passwd = '{}'", 'secret="{}"', '{{"password": "{}"}}', '{{\\"token\\":\\"{}\\"}}',
    "api_key={}", "X-Api-Key: {}", "access-key:{}", "client_secret={}&x=1", "Authorization: Bearer {}",
    "authorization: {}", "'Authorization': 'token {}'", "curl -H 'Authorization: Basic {}'", "bearer {}", "Bearer  {}",
    "postgres://app:{}@db/shop", "amqp://app:{}@mq:5672/", "Cookie: {}", "session_id={}", "token {{token={}}}",
    "password => {}", "DB_PASSWORD={}", "spring.datasource.password={}",
]  # fmt: skip


@given(around, st.sampled_from(SHAPES), secret, around)
def test_a_secret_by_its_name_is_taken_out(before: str, shape: str, value: str, after: str) -> None:
    assume(value.lower() not in (before + shape + after).lower())
    assert value not in redact(f"{before} {shape.format(value)} {after}")


@given(around, cards(), around, st.integers(0, 99))
def test_a_card_number_is_taken_out_beside_other_numbers(before: str, card: str, after: str, other: int) -> None:
    assert card not in redact(f"{before} {other} {card} {after}")
    assert card not in redact(f"card={card}.")


@given(around, st.from_regex(r"[a-z]{1,10}(\.[a-z]{1,5})?@[a-z]{1,10}(\.[a-z]{2,6}){1,2}", fullmatch=True), around)
def test_a_mail_address_is_taken_out(before: str, address: str, after: str) -> None:
    assert address not in redact(f"{before} <{address}>, {after}")


@given(around, st.binary(min_size=12, max_size=40), around)
def test_a_jwt_is_taken_out(before: str, payload: bytes, after: str) -> None:
    part = base64.urlsafe_b64encode(payload).decode().rstrip("=")
    jwt = f"eyJhbGciOiJIUzI1NiJ9.{part}.{part}"
    assert part not in redact(f"{before} {jwt} {after}")


def test_tokens_of_known_makes_and_keys_are_taken_out() -> None:
    for token in (
        new_token().text,
        "ghp_" + "a1" * 18,
        "xoxb-1234567890-abc",
        "sk_live_abcdefghij12",
        "AKIA" + "ABCD1234" * 2,
        "glpat-abcdefghij_1234567",
    ):
        assert token not in redact(f"failed with {token}")
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----"
    assert "MIIEow" not in redact(f"cannot load {pem} for x")
    assert "dXNlcjpwYXNz" not in redact("Basic dXNlcjpwYXNz")


@pytest.mark.parametrize(
    "text",
    [
        "Unexpected token } in JSON at position 4",
        "token expired",
        "the password is wrong",
        "basic authentication failed",
        "Connection refused: db:5432",
        "lodash@4.17.21 not found",
        "order 1234567890 at 2026-11-21 16:00:00.123456",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "KeyError: 'item'",
        "1732200000000000000 ns",
        "shop/checkout@POST /pay",
        "select * from users where id = 7",
        "HTTP 503 Service Unavailable",
        "0.4111111111111111 of all",
    ],
)
def test_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=200))
@example("authorization: Bearer abc")
@example("token='x' token=")
@example("a@b.cd@e.fg")
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert "\0" not in once


@given(around, st.sampled_from(SHAPES), secret)
def test_redacting_a_secret_twice_changes_nothing_more(before: str, shape: str, value: str) -> None:
    once = redact(f"{before} {shape.format(value)}")
    assert redact(once) == once


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db.password",
        "http.request.header.authorization",
        "apiKey",
        "X-Api-Key",
        "user_token",
        "client_secret",
        "aws.access_key_id",
        "Cookie",
        "tokenValue",
    ],
)
def test_keys_that_name_a_secret(key: str) -> None:
    assert is_secret_key(key)
    assert redact_value(key, "anything at all") == "[redacted]"
    assert redact_value(key, "") == ""


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.input_tokens",
        "token_count",
        "token.type",
        "keyboard",
        "author",
        "http.route",
        "passenger",
        "secretary",
    ],
)
def test_keys_that_only_look_like_it(key: str) -> None:
    assert not is_secret_key(key)


texts = st.one_of(st.text(max_size=60), st.builds(lambda s, v: s.format(v), st.sampled_from(SHAPES), secret), cards())


@given(texts)
def test_the_quick_look_never_spares_a_text_that_holds_a_secret(text: str) -> None:
    before = redaction._is_suspicious(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_is_suspicious", lambda _text: True)
        assert before or redact(text) == text.replace("\0", "\ufffd")


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 16_000,
        "a.a-" * 4_000,
        "password" * 2_000,
        "a@" * 8_000,
        "1 " * 8_000,
        "://a:" * 3_000,
        'password="' + "\\" * 16_000,
        "eyJ" * 5_000,
        "authorization:" * 1_200,
        "-----BEGIN PRIVATE KEY-----" * 600,
        "a@a" + ".a" * 8_000,
        "bearer " * 2_000,
        "4" * 16_000,
    ],
)
def test_no_text_takes_long(hostile: str) -> None:
    before = time.process_time()
    redact(hostile)
    assert time.process_time() - before < 1.0
