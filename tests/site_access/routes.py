"""Walking all addresses of the web process, with an example of each and the permission it declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from hemostat.people.rules import Permission

EXAMPLES = ("nothing-here", "999999", "00000000-0000-7000-8000-000000000000", "INC-999999", "0" * 16, "A" * 16)
"""Tried in turn as the value of a part of an address: none of them names anything that exists."""
PAGE_METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Route:
    """One address and method; `permission` is None where none is declared."""

    pattern: str
    example: str
    method: str
    permission: Permission | None
    is_api: bool

    def __str__(self) -> str:
        return f"{self.method} /{self.pattern}"


def _example(pattern: Any) -> str:
    """The part of an address that `pattern` stands for, with nothing behind it."""
    if not isinstance(pattern, RoutePattern):
        raise TypeError(f"{pattern}: routes are written with path(), so that tests can make an example of each")
    text = str(pattern)
    for name, converter in pattern.converters.items():
        value = next(v for v in EXAMPLES if re.fullmatch(converter.regex, v))
        text = re.sub(rf"<([^:<>]+:)?{name}>", value, text)
    return text


def walk(patterns: Sequence[URLPattern | URLResolver], before: str = "", example: str = "") -> Iterator[Route]:
    """All routes under `patterns`."""
    for entry in patterns:
        pattern, filled = before + str(entry.pattern), example + _example(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry.url_patterns, pattern, filled)
            continue
        by_method = getattr(entry.callback, "permissions", None)
        if by_method is None:
            by_method = dict.fromkeys(PAGE_METHODS, getattr(entry.callback, "permission", None))
        for method, permission in by_method.items():
            yield Route(pattern, f"/{filled}", method, permission, is_api=pattern.startswith("api/"))


def every_route() -> list[Route]:
    """All routes of the web process."""
    return list(dict.fromkeys(walk(get_resolver().url_patterns)))
