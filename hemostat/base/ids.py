"""Identifiers: UUIDv7 for what is written in order, short codes for coordinates, tokens for callers."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime

TOKEN_PATTERN = re.compile(r"hs_([a-z2-7]{10})_([A-Za-z0-9_-]{32})")


_latest = (-1, 0)
_latest_lock = threading.Lock()


def uuid7(at: datetime) -> uuid.UUID:
    """A UUIDv7 (RFC 9562): 48 bits of `at` in milliseconds, then 74 random bits; sorts by time.

    Within a millisecond those made by one process sort in the order in which they were made (RFC 9562, 6.2, method 2):
    the events of one transaction are told in the order in which they happened.
    """
    global _latest  # noqa: PLW0603 - one process has one order
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    with _latest_lock:
        before, tail = _latest
        # the highest bit is left for the increments, so that they never overflow
        tail = tail + 1 + secrets.randbits(40) if before == milliseconds else secrets.randbits(73)
        _latest = (milliseconds, tail)
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    return uuid.UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0x2 << 62) | low)


def short_code(canonical: str, bits: int = 80) -> str:
    """Base32 (lower case, no padding) of the first `bits` of BLAKE2b of `canonical`.

    80 bits give 16 characters. Needs no registry to be made; where two canonical texts collide, the caller asks
    for more bits. `bits` must be a multiple of 40.
    """
    digest = hashlib.blake2b(canonical.encode(), digest_size=bits // 8).digest()
    return base64.b32encode(digest).decode().lower()


def slugify_ascii(text: str) -> str:
    """A slug of lower-case letters, digits and hyphens; at most 64 characters, never empty."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    return slug or "x" + hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: `text` is shown once, `public_id` and `digest` are what is stored."""

    text: str
    public_id: str
    digest: bytes


def new_token() -> NewToken:
    """Make a token `hs_<id>_<secret>` with 192 bits of secret."""
    public_id = base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]
    text = f"hs_{public_id}_{secrets.token_urlsafe(24)}"
    return NewToken(text=text, public_id=public_id, digest=token_digest(text))


def token_digest(text: str) -> bytes:
    """SHA-256 of the whole token; a token has enough entropy that no slow hash is needed."""
    return hashlib.sha256(text.encode()).digest()
