"""A table that remembers what was used lately and never grows past its bound."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A mapping of at most `2 * half` entries; what was not used while `half` others were is forgotten.

    Two generations: what is read moves into the young one; when that is full, the old one is dropped and the
    young one takes its place. Every operation takes constant time.
    """

    def __init__(self, half: int) -> None:
        self._half = half
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value of `key`, None when unknown or forgotten."""
        value = self._young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self._put(key, value)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._old.pop(key, None)
        self._put(key, value)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _put(self, key: K, value: V) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value
