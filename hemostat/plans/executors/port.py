"""What executors are given: a place to print to, and a way to be stopped."""

from __future__ import annotations

from typing import Protocol

OUTPUT_CAP = 64 * 1024
"""Characters of output that are kept of one step; the rest is counted, not kept."""


class Printer(Protocol):
    """Takes what a step prints, as it comes."""

    def write(self, text: str) -> None:
        """Print a piece of text."""
        ...


class Stop(Protocol):
    """Tells whether a step must end at once; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether it must."""
        ...
