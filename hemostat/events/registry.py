"""Which reactions follow which event: filled once at start-up by `hemostat.site.flow`, read by `record()`.

So that `record()` needs to import nobody: the rooms that react stand above this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hemostat.events.rules import EventRecord

Handler = Callable[[EventRecord], None]

_by_kind: dict[str, tuple[str, ...]] = {}
_handlers: dict[str, Handler] = {}


def name_of(handler: Handler) -> str:
    """The stable name under which a reaction is stored: its module and function."""
    return f"{handler.__module__}.{handler.__qualname__}".removeprefix("hemostat.")


def install(flow: Mapping[str, Sequence[Handler]]) -> None:
    """Take over the whole table event kind → reactions."""
    _by_kind.clear()
    _handlers.clear()
    for kind, handlers in flow.items():
        _by_kind[kind] = tuple(name_of(h) for h in handlers)
        _handlers.update({name_of(h): h for h in handlers})


def reactions_of(kind: str) -> tuple[str, ...]:
    """Names of the reactions that follow an event of `kind`."""
    return _by_kind.get(kind, ())


def handler(name: str) -> Handler:
    """The reaction called `name`; KeyError when this program does not know it."""
    return _handlers[name]
