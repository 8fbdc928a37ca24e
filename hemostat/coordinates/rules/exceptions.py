"""Node-exception coordinates: what kind of failure happened inside a system."""

from __future__ import annotations

from enum import StrEnum


class ExceptionClass(StrEnum):
    """Where the fault of an exception lies, seen from the system that raised it."""

    INTERNAL = "internal"
    """The system's own logic failed."""
    DEPENDENCY = "dependency"
    """A call to another system failed: refused, reset, timed out, unreachable."""
    RESULT = "result"
    """A call that answered, with a wrong or failing result."""
    RESOURCE = "resource"
    """A limited resource ran out: pool, threads, memory, disk, quota."""
    SLOW = "slow"
    """Nothing was raised; the system took far longer than usual."""
