"""What an event is made of: who acted, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hemostat.base.texts import Text


@dataclass(frozen=True, slots=True)
class Ref:
    """A thing named in an event: its kind, its id and what it was called then. Never a foreign key."""

    kind: str
    id: str
    label: str

    def as_json(self) -> dict[str, str]:
        """The stored form."""
        return {"kind": self.kind, "id": self.id, "label": self.label}


SYSTEM = Ref("system", "hemostat", "Hemostat")
CONSOLE = Ref("console", "console", "console")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event still to be recorded."""

    kind: str
    actor: Ref
    subjects: Sequence[Ref]
    params: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    """None: now"""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it is read: a code, its parameters, who did it, and what it is about."""

    id: str
    at: datetime
    kind: str
    actor: Ref
    subjects: tuple[Ref, ...]
    params: dict[str, Any]

    def text(self) -> Text:
        """The line that this event is on a timeline; its actor is the parameter `actor`."""
        return Text(self.kind, {"actor": self.actor.label, **self.params})
