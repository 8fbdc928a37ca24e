"""How the raw bodies of one commit group lie in one row of the inbox: framed by length, packed when it pays.

Each frame is the id of its source, the length of the body, and the body. Lengths, not line breaks: a body may be
written over several lines. The codec stands in a column of its own, never to be guessed from the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum

import lz4.block

PACK_FROM = 6_000
"""Bytes from which a group is packed: below, it fits into the row anyway."""

MAX_GROUP = 256 << 20
"""No group unpacks to more than this."""

_HEAD = struct.Struct("!qI")


class Codec(IntEnum):
    """How a group's bytes are packed."""

    PLAIN = 0
    LZ4 = 1


class FrameError(ValueError):
    """Bytes that are no commit group."""


def pack(bodies: Iterable[tuple[int, bytes]]) -> tuple[Codec, bytes]:
    """One group of (source id, body)."""
    head = _HEAD.pack
    plain = b"".join(part for source, body in bodies for part in (head(source, len(body)), body))
    if len(plain) > PACK_FROM:
        return Codec.LZ4, lz4.block.compress(plain, store_size=True)
    return Codec.PLAIN, plain


def unpack(codec: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (source id, body) pairs of a group; raises `FrameError` for anything `pack` did not write."""
    if codec == Codec.LZ4:
        if len(data) < 4 or int.from_bytes(data[:4], "little") > MAX_GROUP:
            raise FrameError("the packed group names an impossible size")
        try:
            data = lz4.block.decompress(data)
        except lz4.block.LZ4BlockError as error:
            raise FrameError(f"the group cannot be unpacked: {error}") from error
    elif codec != Codec.PLAIN:
        raise FrameError(f"unknown codec {codec}")
    at = 0
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise FrameError("the group ends inside a frame's head")
        source, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        body = data[at : at + size]
        if len(body) != size:
            raise FrameError("the group ends inside a body")
        yield source, body
        at += size
