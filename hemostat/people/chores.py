"""What the engine does for this room by the clock."""

from __future__ import annotations

from datetime import datetime

from hemostat.people import actions


def work(now: datetime) -> int:
    """Forget answers kept for repeats and sessions that have ended; returns how many rows went."""
    return actions.forget_kept_answers(now) + actions.forget_ended_sessions(now)
