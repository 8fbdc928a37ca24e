"""What the engine does again and again, in one table: the rooms' work, and how often each looks by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hemostat.base.due import DueRow
from hemostat.events.actions import work_reactions
from hemostat.events.models import Reaction


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One thing to do again and again."""

    name: str
    work: Callable[[datetime], int]
    """Does what there is to do at that time; returns how much that was. When not 0 it is called again at once."""
    every_s: float = 1.0
    """The longest time between two looks, seconds; a notification or a due row shortens it."""
    due: tuple[type[DueRow], ...] = ()
    """Rows whose next due time ends the wait."""
    leader: bool = False
    """Only in the elected process."""
    threads: int = 1
    """How many work at the same time in one process; rows are claimed, so each is done once."""


LOOPS: tuple[Loop, ...] = (
    Loop(name="reactions", work=lambda _now: work_reactions(), due=(Reaction,)),
)
