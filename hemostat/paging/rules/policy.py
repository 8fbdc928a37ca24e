"""The policy as it is stamped onto a page, and what severity makes of it.

A policy names tiers and how long each has; severity decides how it is run (the table of `URGENCY`):

| severity | runs | to the next tier |
|---|---|---|
| P0 | every tier at once, each pass | the first tier's time, at most 5 min |
| P1 | tier by tier | the tier's time, at most 5 min |
| P2 | tier by tier | 15 min |
| P3, P4 | the first tier that can be reached, once | never |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class TargetKind(StrEnum):
    """What a tier can page."""

    USER = "user"
    SCHEDULE = "schedule"


@dataclass(frozen=True)
class TargetStamp:
    """A person, or whoever a schedule says when the tier is reached; `label` is what it was called."""

    kind: TargetKind
    id: int
    label: str


@dataclass(frozen=True)
class TierStamp:
    """One tier: whom it pages, and after how many seconds without an answer the next one is."""

    timeout_s: int
    targets: tuple[TargetStamp, ...]


@dataclass(frozen=True)
class PolicyStamp:
    """A policy as it was when a page began."""

    slug: str
    name: str
    repeat: int
    """Additional passes over all tiers."""
    tiers: tuple[TierStamp, ...]
    fallback: TargetStamp | None
    """Paged when all passes are over, or nobody else can be; None only where there is no policy and no owner."""

    def as_json(self) -> dict[str, Any]:
        """The form that is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PolicyStamp:
        """Read the stored form."""

        def target(value: Mapping[str, Any]) -> TargetStamp:
            return TargetStamp(TargetKind(value["kind"]), value["id"], value["label"])

        return cls(
            slug=data["slug"],
            name=data["name"],
            repeat=data["repeat"],
            tiers=tuple(TierStamp(t["timeout_s"], tuple(target(x) for x in t["targets"])) for t in data["tiers"]),
            fallback=target(data["fallback"]) if data["fallback"] else None,
        )


@dataclass(frozen=True)
class Urgency:
    """How a policy is run at one severity."""

    whole_chain: bool
    """All tiers of a pass are paged at once."""
    escalates: bool
    """Time passes on to the next tier."""
    at_least_s: int
    at_most_s: int
    """Bounds of every tier's time; seconds."""
    backup_s: int | None
    """After how long without an answer a person's next way is used as well; None: only when the first fails."""

    def timeout_s(self, tier_s: int) -> int:
        """The time of a tier whose policy says `tier_s`."""
        return max(self.at_least_s, min(self.at_most_s, tier_s))


URGENCY: Mapping[int, Urgency] = {
    0: Urgency(whole_chain=True, escalates=True, at_least_s=60, at_most_s=300, backup_s=30),
    1: Urgency(whole_chain=False, escalates=True, at_least_s=60, at_most_s=300, backup_s=60),
    2: Urgency(whole_chain=False, escalates=True, at_least_s=900, at_most_s=900, backup_s=300),
    3: Urgency(whole_chain=False, escalates=False, at_least_s=900, at_most_s=900, backup_s=None),
    4: Urgency(whole_chain=False, escalates=False, at_least_s=900, at_most_s=900, backup_s=None),
}

SHORTEST_TIER_S = 60
LONGEST_TIER_S = 4 * 3600
MOST_REPEATS = 9
