"""How many different users: a HyperLogLog of 1,024 registers over 64-bit hashes.

Standard error 3.3 %; exact to within a few up to some hundred, which is where it matters most. Sketches of parts
merge into the sketch of the whole, whatever overlaps. Flajolet et al. (2007), with linear counting while registers
are empty; the correction for large ranges is not needed with 64-bit hashes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

REGISTERS = 1024
_INDEX_BITS = 10
_RANK_OF_ZERO = 64 - _INDEX_BITS + 1
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_DENSE_FROM = 340
"""Filled registers from which the dense form is the smaller one."""
_SPARSE, _DENSE = b"\x00", b"\x01"
_PAIR = struct.Struct("!HB")


class Distinct:
    """A set that can only be added to, merged, and counted approximately."""

    __slots__ = ("_ranks",)

    def __init__(self, ranks: dict[int, int] | None = None) -> None:
        self._ranks = ranks if ranks is not None else {}

    def add(self, hashed: int) -> None:
        """Add one element by its 64-bit hash (evenly spread; the caller hashes)."""
        rest = hashed >> _INDEX_BITS
        rank = (rest & -rest).bit_length() or _RANK_OF_ZERO
        register = hashed & (REGISTERS - 1)
        if rank > self._ranks.get(register, 0):
            self._ranks[register] = rank

    def merge(self, other: Distinct) -> None:
        """Add all elements of `other`."""
        ranks = self._ranks
        for register, rank in other._ranks.items():
            if rank > ranks.get(register, 0):
                ranks[register] = rank

    def count(self) -> int:
        """How many different elements were added, about."""
        empty = REGISTERS - len(self._ranks)
        harmonic = empty + sum(2.0**-rank for rank in self._ranks.values())
        estimate = _ALPHA * REGISTERS * REGISTERS / harmonic
        if estimate <= 2.5 * REGISTERS and empty:
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return round(estimate)

    def encode(self) -> bytes:
        """The stored form; empty for no elements."""
        if not self._ranks:
            return b""
        if len(self._ranks) < _DENSE_FROM:
            return _SPARSE + b"".join(_PAIR.pack(i, self._ranks[i]) for i in sorted(self._ranks))
        dense = bytearray(REGISTERS)
        for register, rank in self._ranks.items():
            dense[register] = rank
        return _DENSE + bytes(dense)

    @classmethod
    def decode(cls, data: bytes) -> Distinct:
        """Read the stored form."""
        if data[:1] == _DENSE:
            return cls({register: rank for register, rank in enumerate(data[1:]) if rank})
        return cls(dict(_PAIR.iter_unpack(data[1:])))


def union(sketches: Iterable[bytes]) -> Distinct:
    """The sketch of everything that any of the stored sketches holds."""
    whole = Distinct()
    for data in sketches:
        if data:
            whole.merge(Distinct.decode(data))
    return whole
