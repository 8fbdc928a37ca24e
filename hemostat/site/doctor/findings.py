"""What the doctor finds, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hemostat.base.console import emit


class State(StrEnum):
    """How one thing stands."""

    FINE = "fine"
    NOTE = "note"
    """Works, and should be known or improved."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it stands, what was found, and what to do."""

    check: str
    state: State
    found: str
    do: str = ""
    blocks: bool = False
    """Nothing after it can be looked at."""


def fine(check: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(check, State.FINE, found)


def note(check: str, found: str, do: str) -> Finding:
    """It works, and should be improved."""
    return Finding(check, State.NOTE, found, do)


def wrong(check: str, found: str, do: str, *, blocks: bool = False) -> Finding:
    """It does not work."""
    return Finding(check, State.WRONG, found, do, blocks)


MARKS = {State.FINE: "ok   ", State.NOTE: "note ", State.WRONG: "WRONG"}


def is_wrong(findings: Sequence[Finding]) -> bool:
    """Whether anything does not work."""
    return any(finding.state is State.WRONG for finding in findings)


def show(findings: Sequence[Finding], *, json: bool) -> None:
    """Print the findings, and a sentence at the end."""
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]}  {finding.check}: {finding.found}")
        if finding.do:
            lines.append(f"       → {finding.do}")
    broken = sum(finding.state is State.WRONG for finding in findings)
    lines.append("")
    lines.append("All is well." if not broken else f"{broken} of {len(findings)} things need you.")
    data = [{"check": f.check, "state": f.state.value, "found": f.found, "do": f.do} for f in findings]
    emit(data, json=json, text="\n".join(lines))
