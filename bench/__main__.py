"""`python -m bench [intake] [story]`: the programs that print figures, one after the other; all without a name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("intake", "story")


def main(names: list[str]) -> int:
    """Run the programs named, all when none is; returns the worst exit code."""
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        print(f"There is no bench {unknown[0]!r}; there are {' and '.join(PROGRAMS)}.", file=sys.stderr)
        return 2
    worst = 0
    for name in names or PROGRAMS:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent, check=False)
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
