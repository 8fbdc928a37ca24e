"""Why a process cannot start or a command cannot do its work: what is wrong, what to do, and the exit code.

These are the errors a person at a console meets. Each says in plain sentences what was found and what to do next.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of every `hemostat` command means."""

    OK = 0
    FAILURE = 1
    """It was tried and did not work; for `doctor`: something needs attention."""
    USAGE = 2
    """Wrong arguments, or a setting with a wrong value."""
    NOT_FOUND = 3
    """The thing named does not exist."""
    NOT_ALLOWED = 4
    """Not signed in, or the role does not allow it."""
    UNREACHABLE = 5
    """The database, or the address asked, does not answer."""
    IN_USE = 6
    """A port or the data folder is used by another program."""
    STORAGE = 7
    """The data folder cannot be written, or its disk is full."""
    VERSION = 8
    """The database server is too old, or the schema is newer than this program."""


class HemostatError(Exception):
    """A reason not to go on: `what` happened, what to `do`, and the exit code."""

    code = Exit.FAILURE

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.do = do

    def __str__(self) -> str:
        return f"{self.what}\n{self.do}" if self.do else self.what


class UsageError(HemostatError):
    """Wrong arguments, or something that must be set is not."""

    code = Exit.USAGE


class NotFoundError(HemostatError):
    """The thing named does not exist."""

    code = Exit.NOT_FOUND


class NotAllowedError(HemostatError):
    """Not signed in, or the role does not allow it."""

    code = Exit.NOT_ALLOWED


class UnreachableError(HemostatError):
    """The database or an address does not answer."""

    code = Exit.UNREACHABLE


class InUseError(HemostatError):
    """A port or the data folder is used by another program."""

    code = Exit.IN_USE


class StorageError(HemostatError):
    """The data folder cannot be written, or its disk is full."""

    code = Exit.STORAGE


class VersionError(HemostatError):
    """The server is too old, or the schema is newer than this program."""

    code = Exit.VERSION
