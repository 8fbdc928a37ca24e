"""How a started process tells its supervisor that it is ready: one byte on a pipe it was given.

Exact, and without asking again and again: the pipe closes when the process dies.
"""

from __future__ import annotations

import os

VARIABLE = "HEMOSTAT_READY_FD"


def tell() -> None:
    """Say that this process is ready; nothing happens where nobody asked."""
    text = os.environ.pop(VARIABLE, "")
    if text:
        fd = int(text)
        os.write(fd, b"1")
        os.close(fd)
