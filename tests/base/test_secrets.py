"""Secrets at rest: sealed, opened with retired keys, resealed, and honest when the key is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from hemostat.base import secrets


@given(st.text(max_size=300))
def test_what_was_sealed_opens_and_cannot_be_read_before(text: str) -> None:
    token = secrets.seal(text)
    assert secrets.open_(token) == text
    assert len(text) < 8 or text not in token
    assert secrets.seal(text) != token


def test_a_retired_key_opens_until_resealed(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", []
    token = secrets.seal("door")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert secrets.open_(token) == "door"
    fresh = secrets.reseal(token)
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets.open_(fresh) == "door"
    with pytest.raises(secrets.CannotOpenError, match="put the former key back"):
        secrets.open_(token)
    with pytest.raises(secrets.CannotOpenError):
        secrets.reseal(token)


@pytest.mark.parametrize("token", ["", "door", "gAAAAABm"])
def test_what_was_never_sealed_is_refused(token: str) -> None:
    with pytest.raises(secrets.CannotOpenError):
        secrets.open_(token)
