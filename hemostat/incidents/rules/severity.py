"""Severity P0 to P4: the first by a table (level × tier), later moves by the impact, each with its reason.

The three scales meet here once: the level of a signal (warning, critical, fatal) and the tier of the service that
suffers give a severity; afterwards severity alone decides who is paged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hemostat.base.texts import Text
from hemostat.catalog.rules import Tier


class Level(StrEnum):
    """How loud a signal is."""

    WARNING = "warning"
    CRITICAL = "critical"
    FATAL = "fatal"


FIRST_SEVERITY: dict[tuple[Level, Tier], int] = {
    (Level.FATAL, Tier.CORE): 0,
    (Level.FATAL, Tier.IMPORTANT): 1,
    (Level.FATAL, Tier.NORMAL): 2,
    (Level.CRITICAL, Tier.CORE): 1,
    (Level.CRITICAL, Tier.IMPORTANT): 2,
    (Level.CRITICAL, Tier.NORMAL): 3,
    (Level.WARNING, Tier.CORE): 3,
    (Level.WARNING, Tier.IMPORTANT): 4,
    (Level.WARNING, Tier.NORMAL): 4,
}

FATAL_LOSS = 0.5
"""Share of the usual successes that must be lost for a drop to be fatal."""
CRITICAL_LOSS = 0.02
"""… to be critical; less is a warning."""
LOWER_AFTER = timedelta(minutes=2)
"""Severity rises at once and falls only after the impact stayed lower this long, so that it does not flutter."""
OPENS_INCIDENT = 3
"""The lowest severity that opens an incident: P4 is work to plan, nobody is called."""


@dataclass(frozen=True)
class Impact:
    """What one signal says of the impact."""

    level: Level
    tier: Tier
    service: str
    """what people call the service"""
    lost: float | None = None
    """share of the usual successes that is lost, where it was measured"""
    users: int | None = None


@dataclass(frozen=True)
class Severity:
    """A severity, 0 to 4, and why."""

    value: int
    reason: Text


def level_of_loss(baseline: float, current: float) -> tuple[Level, float]:
    """The level of a KPI that fell from `baseline` to `current` (shares of good requests), and the share lost."""
    lost = 0.0 if baseline <= 0 else min(1.0, max(0.0, (baseline - current) / baseline))
    if lost >= FATAL_LOSS:
        return Level.FATAL, lost
    return (Level.CRITICAL if lost >= CRITICAL_LOSS else Level.WARNING), lost


def severity(impacts: Sequence[Impact]) -> Severity:
    """The severity of an incident with these signals: that of its worst one. `impacts` must not be empty."""
    worst = min(impacts, key=lambda i: (FIRST_SEVERITY[i.level, i.tier], -(i.lost or 0)))
    value = FIRST_SEVERITY[worst.level, worst.tier]
    params = {
        "service": worst.service,
        "tier": Text(f"incidents.tier_{worst.tier.value}").as_json(),
        "level": Text(f"incidents.level_{worst.level.value}").as_json(),
    }
    if worst.lost is None:
        return Severity(value, Text("incidents.severity_by_alert", params))
    return Severity(value, Text("incidents.severity_by_loss", {**params, "lost": round(worst.lost, 4)}))


def next_severity(present: int, wanted: Severity, *, lower_since: datetime | None, now: datetime) -> Severity | None:
    """The severity to move to, None to stay: up at once, down when the impact stayed lower for `LOWER_AFTER`."""
    if wanted.value < present:
        return wanted
    if wanted.value > present and lower_since is not None and now - lower_since >= LOWER_AFTER:
        return wanted
    return None
