"""The engine's loop over runs."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.conf import settings

from hemostat.plans.actions.engine import give_up_waiting
from hemostat.plans.engine import RunEngine


@lru_cache(maxsize=4)
def _engine(runner: str) -> RunEngine:
    return RunEngine(runner)


def work(now: datetime, runner_label: str | None = None) -> int:
    """Take the runs that are due into hands of their own, and end those nobody can run; returns how many.

    `runner_label` says which command steps may run here (`engine --runner LABEL`); not said: the setting.
    """
    taken = _engine(runner_label or settings.CONFIG.runner_label).work(now)
    return taken + give_up_waiting(now)
