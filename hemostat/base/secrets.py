"""Secrets at rest: sealed with the installation's keys before they are stored.

The key is derived from `settings.SECRET_KEY`; keys retired to `SECRET_KEY_FALLBACKS` still open what they
sealed until it has been resealed. Tokens and passwords, which need only be recognised, are hashed instead.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class CannotOpenError(ValueError):
    """No key of this installation opens the sealed text: the key was lost, or belongs to another database."""

    def __init__(self) -> None:
        super().__init__(
            "a stored secret was sealed with a key that this installation no longer has; "
            "put the former key back (key file or HEMOSTAT_SECRET_KEY), or enter the secret again"
        )


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    """Sealing with the first of `keys`, opening with any."""
    return MultiFernet(
        Fernet(
            base64.urlsafe_b64encode(
                HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hemostat sealed secrets").derive(key.encode())
            )
        )
        for key in keys
    )


def _present_box() -> MultiFernet:
    return _box((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def seal(text: str) -> str:
    """Encrypt `text` for storing; the same text gives another token each time."""
    return _present_box().encrypt(text.encode()).decode()


def open_(token: str) -> str:
    """The text that was sealed; raises `CannotOpenError`."""
    try:
        return _present_box().decrypt(token).decode()
    except (InvalidToken, TypeError) as error:
        raise CannotOpenError from error


def reseal(token: str) -> str:
    """The same secret under the present key, so that a retired one can go; raises `CannotOpenError`."""
    try:
        return _present_box().rotate(token).decode()
    except (InvalidToken, TypeError) as error:
        raise CannotOpenError from error
