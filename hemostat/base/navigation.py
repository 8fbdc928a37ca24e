"""The navigation: rooms register their entries at start-up, the page shell shows those the reader may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise


class Reader(Protocol):
    """Whoever looks at the page."""

    def may(self, permission: Any) -> bool:
        """Whether this person may do what needs `permission`."""
        ...


@dataclass(frozen=True)
class Entry:
    """A place one can go to. `order` sorts; `tab` puts it into the phone's tab bar, else it is under "More"."""

    url_name: str
    label: str | Promise
    icon: str
    permission: Any
    order: int
    tab: bool = False
    badge: Callable[[], int] | None = None
    """how many things there need a person now; None: nothing is counted"""


@dataclass(frozen=True)
class Item:
    """An entry as it is shown on one page."""

    label: str
    icon: str
    url: str
    tab: bool
    current: bool
    count: int


_entries: dict[str, Entry] = {}


def register(entry: Entry) -> None:
    """Add a place; registering its address again replaces it."""
    _entries[entry.url_name] = entry


def items(reader: Reader, path: str) -> list[Item]:
    """What `reader` may go to, in order; the entry whose address is the longest beginning of `path` is current."""
    shown = [e for e in sorted(_entries.values(), key=lambda e: e.order) if reader.may(e.permission)]
    urls = {e.url_name: reverse(e.url_name) for e in shown}
    here = max((u for u in urls.values() if path == u or (u != "/" and path.startswith(u))), key=len, default="")
    return [
        Item(
            label=str(e.label),
            icon=e.icon,
            url=urls[e.url_name],
            tab=e.tab,
            current=urls[e.url_name] == here,
            count=e.badge() if e.badge else 0,
        )
        for e in shown
    ]


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `navigation`, read only by pages that show the shell."""
    user = getattr(request, "user", None)

    def lazily() -> list[Item]:
        return items(user, request.path) if user is not None and user.is_authenticated else []

    return {"navigation": lazily}
