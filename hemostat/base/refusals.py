"""The one error for "this cannot be done"; pages, the API and the command line each show it their way.

Actions raise it, naming the field at fault where there is one; nothing has been changed when it is raised.
"""

from __future__ import annotations


class RefusedError(ValueError):
    """A request that cannot be carried out; `message` is for people, `field` the input at fault, or "".

    `conflict` tells that the input is right in itself but disagrees with what is there (HTTP 409, not 422).
    """

    def __init__(self, message: str, *, field: str = "", conflict: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.conflict = conflict
