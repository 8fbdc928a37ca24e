"""Unpacking what senders packed: whole, within limits, or refused."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.intake.http import EncodingError, unpack
from hemostat.intake.rules.limits import BadInputError, TooLargeError

LIMIT = 1 << 20


@given(st.binary(max_size=5000), st.binary(max_size=100))
def test_gzip_of_one_or_more_members_is_unpacked(first: bytes, second: bytes) -> None:
    assert unpack(gzip.compress(first) + gzip.compress(second), b"gzip", LIMIT) == first + second
    assert unpack(first, b"", LIMIT) == unpack(first, b"identity", LIMIT) == first


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_gzip_cut_short_is_refused(body: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(body)
    with pytest.raises(BadInputError):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))], b"gzip", LIMIT)


@given(st.binary(max_size=200))
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    if not body.startswith(b"\x1f\x8b"):
        with pytest.raises(BadInputError):
            unpack(body, b"gzip", LIMIT)


def test_a_small_body_cannot_unpack_to_more_than_the_limit() -> None:
    assert len(unpack(gzip.compress(bytes(LIMIT)), b"gzip", LIMIT)) == LIMIT
    with pytest.raises(TooLargeError):
        unpack(gzip.compress(bytes(LIMIT + 1)), b"gzip", LIMIT)
    with pytest.raises(TooLargeError):
        unpack(gzip.compress(bytes(LIMIT)) + gzip.compress(b"x"), b"gzip", LIMIT)


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(EncodingError, match="found 'br'"):
        unpack(b"x", b"br", LIMIT)
