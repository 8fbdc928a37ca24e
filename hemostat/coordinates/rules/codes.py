"""What all coordinates share: escaping of the separators, and codes that stay distinct where two texts
collide.

A canonical text joins its parts with `@`, `#`, `!`, `:` and `>`; inside a part these and `%` are
percent-encoded, so that every canonical text is read back in one way only. A code is
`hemostat.base.ids.short_code` of the canonical text: anybody can make it, no registry is asked. The registry
settles the rest: 80 bits collide once in 10^12 pairs of a million coordinates, and where they do, the later
text takes the code of 120 bits, then 160 (`distinct_code`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hemostat.base.ids import short_code

BITS = (80, 120, 160)
"""Lengths of a code in the order in which they are tried; 16, 24 and 32 characters."""

_RESERVED = re.compile(r"[%@#!:>\x00-\x1f]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")


class CoordinateError(ValueError):
    """A text that is no coordinate; the message says what is wrong with it."""


def escape(part: str) -> str:
    """Percent-encode the separators (and control characters) in one part of a canonical text."""
    return _RESERVED.sub(lambda m: f"%{ord(m.group()):02X}", part)


def unescape(part: str) -> str:
    """The inverse of `escape`; raises `CoordinateError` for a text that `escape` does not write."""
    plain = _ESCAPED.sub(lambda m: chr(int(m.group(1), 16)), part)
    if escape(plain) != part:
        raise CoordinateError(f"{part!r} is not a part of a coordinate")
    return plain


def distinct_code(canonical: str, holder: Callable[[str], str | None]) -> str:
    """The shortest code of `canonical` that no other text holds.

    `holder(code)` gives the canonical text registered under a code, None when there is none. Raises
    `CoordinateError` if all three lengths are held by others (which no accident brings about).
    """
    for bits in BITS:
        code = short_code(canonical, bits)
        if holder(code) in (None, canonical):
            return code
    raise CoordinateError(f"no free code for {canonical!r}")
