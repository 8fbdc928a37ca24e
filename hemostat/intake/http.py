"""The little of HTTP that the door needs on ASGI: reading a body within limits, unpacking it, answering."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from isal import isal_zlib
from isal.igzip_lib import IsalError

from hemostat.intake.rules.limits import BadInputError, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_TIMEOUT_S = 30.0
"""Longest time a body may take to arrive."""
PIECE = 1 << 20
"""Bytes unpacked at a time."""

# isal's stubs call its exception an instance.
_BAD_GZIP: tuple[type[Exception], ...] = (IsalError, zlib.error)  # type: ignore[assignment]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class GoneError(ConnectionError):
    """The sender closed the connection before the body was complete."""


class SlowError(TimeoutError):
    """The body did not arrive in time."""


class EncodingError(ValueError):
    """The body is packed in a way we do not know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `headers` beyond type and length."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: Iterable[tuple[bytes, bytes]] = field(default=())


def header(scope: Scope, name: bytes) -> bytes:
    """The value of a header (name in lower case); b"" when it is not there."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `TooLargeError` beyond `limit` bytes, `GoneError`, `SlowError`."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise TooLargeError(f"body: wanted at most {limit} bytes, found {int(declared)}")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise TooLargeError(f"body: wanted at most {limit} bytes, found {len(body)}")
        return body
    parts, size = [body], len(body)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise TooLargeError(f"body: wanted at most {limit} bytes, found more")
    except TimeoutError as error:
        raise SlowError(f"body: wanted all of it within {BODY_TIMEOUT_S:.0f} s") from error
    return b"".join(parts)


def unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body without its content encoding, read in pieces so that a small body cannot fill the memory.

    Raises `TooLargeError` beyond `limit` bytes, `EncodingError` for what is not gzip, `BadInputError` for bad gzip.
    """
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in (b"gzip", b"x-gzip"):
        raise EncodingError(f"Content-Encoding: wanted gzip or none, found {name[:40].decode('latin-1')!r}")
    parts, size = [], 0
    try:
        unpacker = isal_zlib.decompressobj(wbits=31)
        rest = body
        while True:
            part = unpacker.decompress(rest, min(PIECE, limit + 1 - size))
            size += len(part)
            if size > limit:
                raise TooLargeError(f"body: wanted at most {limit} bytes when unpacked, found more")
            parts.append(part)
            if unpacker.eof:
                if not unpacker.unused_data:
                    break
                rest = unpacker.unused_data
                unpacker = isal_zlib.decompressobj(wbits=31)
                continue
            rest = unpacker.unconsumed_tail
            if not rest and not part:
                raise BadInputError("body: wanted gzip, found it cut short")
    except _BAD_GZIP as error:
        raise BadInputError(f"body: wanted gzip; {error}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def respond(send: Send, answer: Answer) -> None:
    """Send an answer."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
