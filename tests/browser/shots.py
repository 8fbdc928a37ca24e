"""Photograph every page in every state: `python -m tests.browser.shots FOLDER [name …]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def main(folder: str, *names: str) -> int:
    """Run the page tests with the camera on; names choose pages, all when none is given."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.environ["HEMOSTAT_SHOTS"] = str(Path(folder).resolve())
    chosen = ["-k", " or ".join(f"[{name}-" for name in names)] if names else []
    return int(pytest.main(["tests/browser/test_pages.py", "-p", "no:cacheprovider", *chosen]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
