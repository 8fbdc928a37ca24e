"""The health of services as data: a word for each, and those that hurt first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hemostat.catalog.rules import Tier

LATELY = 2
"""Minutes over which the present share is counted."""
DEGRADED = 0.99
"""Below this share a service that is not known to fall is still worth a look."""


@dataclass(frozen=True)
class Minute:
    """What a service answered in one minute."""

    at: datetime
    requests: int
    failed: int

    @property
    def share(self) -> float:
        """Share of good answers; 1 when nobody asked."""
        return 1 - self.failed / self.requests if self.requests else 1.0


@dataclass(frozen=True)
class Health:
    """How a service does."""

    app_id: str
    label: str
    tier: Tier
    state: str
    """ok, warn or bad"""
    word: str
    """failing, cause, degraded or healthy"""
    share: float
    curve: tuple[float, ...]


def _of(app_id: str, label: str, tier: Tier, minutes: Sequence[Minute], *, falling: bool, cause: bool) -> Health:
    last = minutes[-LATELY:]
    asked = sum(m.requests for m in last)
    share = 1 - sum(m.failed for m in last) / asked if asked else 1.0
    if cause:
        state, word = "bad", "cause"
    elif falling:
        state, word = "bad", "failing"
    elif share < DEGRADED:
        state, word = "warn", "degraded"
    else:
        state, word = "ok", "healthy"
    return Health(app_id, label, tier, state, word, share, tuple(m.share for m in minutes))


def arrange(
    minutes: Mapping[str, Sequence[Minute]],
    known: Mapping[str, tuple[str, Tier]],
    *,
    falling: frozenset[str],
    causes: frozenset[str],
) -> list[Health]:
    """One row a service: what hurts before what does not, then by tier and name."""
    rows = []
    for app_id, told in minutes.items():
        label, tier = known.get(app_id, (app_id, Tier.NORMAL))
        rows.append(_of(app_id, label, tier, told, falling=app_id in falling, cause=app_id in causes))
    order = ("bad", "warn", "ok")
    return sorted(rows, key=lambda h: (order.index(h.state), list(Tier).index(h.tier), h.label))
