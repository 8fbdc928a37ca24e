"""System coordinates: which entry of which service, `{AppId}@{entryMethod}`."""

from __future__ import annotations

from dataclasses import dataclass

from hemostat.base.ids import short_code
from hemostat.coordinates.rules.codes import CoordinateError, escape, unescape


@dataclass(frozen=True, slots=True, order=True)
class System:
    """A service and the entry method by which it was called."""

    app_id: str
    entry: str

    def __str__(self) -> str:
        return encode(self.app_id, self.entry)

    @property
    def code(self) -> str:
        """The short code, 16 characters."""
        return code(self.app_id, self.entry)


def encode(app_id: str, entry: str) -> str:
    """The canonical text: `shop/checkout@POST /pay`; separators inside a part are percent-encoded."""
    return f"{escape(app_id)}@{escape(entry)}"


def decode(text: str) -> System:
    """Read a canonical text; raises `CoordinateError`."""
    app_id, separator, entry = text.partition("@")
    if not separator:
        raise CoordinateError(f"{text!r} is not a system coordinate: no @")
    return System(unescape(app_id), unescape(entry))


def code(app_id: str, entry: str) -> str:
    """The short code of a system coordinate."""
    return short_code(encode(app_id, entry))
