"""Where a lab or an installation can be put in a test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that the database's user may enter too (pytest's own are closed to it), removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="hemostat-story-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
