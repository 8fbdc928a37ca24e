"""`python -m lints`: check the product's modules; exit code 1 and one line each for what breaks a rule."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from lints.rules import find


def main(root: Path) -> int:
    """Check everything below `root`/hemostat; returns the number of findings."""
    findings = [
        finding
        for file in sorted((root / "hemostat").rglob("*.py"))
        for finding in find(PurePosixPath(file.relative_to(root).as_posix()), file.read_text())
    ]
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(
        f"{len(findings)} findings by the rules of the house.\n" if findings else "The house is in order.\n"
    )
    return len(findings)


if __name__ == "__main__":
    sys.exit(1 if main(Path(__file__).parents[1]) else 0)
