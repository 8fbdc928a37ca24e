"""State machines as data: a table of allowed moves, and one function that refuses the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

S = TypeVar("S", bound=Enum)


class InvalidMoveError(ValueError):
    """A state was asked to become one that its table does not allow."""

    def __init__(self, machine: str, before: Enum, after: Enum) -> None:
        super().__init__(f"{machine}: {before.value} cannot become {after.value}")
        self.before = before
        self.after = after


@dataclass(frozen=True)
class Machine(Generic[S]):
    """The allowed moves between the states of one enum.

    `moves` names every state as a key, so that a state forgotten is seen when the machine is built.
    """

    name: str
    states: type[S]
    moves: Mapping[S, frozenset[S]]

    def __post_init__(self) -> None:
        missing = set(self.states) - set(self.moves)
        if missing:
            raise ValueError(f"{self.name}: no moves given for {sorted(str(s.value) for s in missing)}")

    def allows(self, before: S, after: S) -> bool:
        """Whether `before` may become `after`."""
        return after in self.moves[before]

    def move(self, before: S, after: S) -> S:
        """Return `after`, or raise `InvalidMoveError` when `before` may not become it."""
        if not self.allows(before, after):
            raise InvalidMoveError(self.name, before, after)
        return after

    def is_final(self, state: S) -> bool:
        """Whether nothing follows `state`."""
        return not self.moves[state]
