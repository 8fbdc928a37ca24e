"""Request-link coordinates: where in the call chain, from the request's entry to the system that failed.

Written out, a link is the canonical texts of its systems joined by `#`; its short code is made of the
systems' codes, so that it can be made where only codes travel. A link whose entry is not known yet is
*partial*: it begins with `?`, and has a code of its own, so that it is never taken for a chain that really
begins there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hemostat.base.ids import short_code
from hemostat.coordinates.rules import system
from hemostat.coordinates.rules.codes import CoordinateError
from hemostat.coordinates.rules.system import System

SEPARATOR = "#"
UNKNOWN_ENTRY = "?"
MAX_DEPTH = 64
"""Longer chains are loops; what lies deeper than this is not part of the link."""


@dataclass(frozen=True, slots=True)
class Link:
    """Systems from the request's entry inwards; at least one."""

    path: tuple[System, ...]
    partial: bool = False

    @property
    def code(self) -> str:
        """The short code, 16 characters."""
        return code([s.code for s in self.path], partial=self.partial)


def encode(path: Sequence[System], *, partial: bool = False) -> str:
    """The link written out: `gateway@POST /pay#payment@charge`, with `?#` in front when partial."""
    if not path:
        raise CoordinateError("a link has at least one system")
    return SEPARATOR.join([*([UNKNOWN_ENTRY] if partial else []), *(str(s) for s in path)])


def decode(text: str) -> Link:
    """Read a link that was written out; raises `CoordinateError`."""
    first, *rest = parts = text.split(SEPARATOR)
    if first == UNKNOWN_ENTRY:
        if not rest:
            raise CoordinateError("a link has at least one system")
        return Link(tuple(system.decode(p) for p in rest), partial=True)
    return Link(tuple(system.decode(p) for p in parts))


def code(path: Sequence[str], *, partial: bool = False) -> str:
    """The short code of the link through the systems with these codes, outermost first."""
    if not path:
        raise CoordinateError("a link has at least one system")
    return short_code(SEPARATOR.join([*([UNKNOWN_ENTRY] if partial else []), *path[:MAX_DEPTH]]))
