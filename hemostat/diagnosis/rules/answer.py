"""The answer of a diagnosis: ranked causes with what spoke for each, the tree, and what was set aside as
noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hemostat.base.texts import Text


class Confidence(StrEnum):
    """How sure, in the words that people are shown."""

    VERY_LIKELY = "very_likely"
    LIKELY = "likely"
    POSSIBLE = "possible"
    GUESS = "guess"


class Verdict(StrEnum):
    """What the diagnosis can say at all."""

    NAMED = "named"
    PARTLY = "partly"
    """named, but less than 70 % of the excess is explained"""
    WEAK = "weak"
    """the best guess on weak evidence"""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Contribution:
    """What one rule (time, depth, count, noise) gave a cause: a score from 0 to 1 and the reason."""

    rule: str
    score: float
    reason: Text


@dataclass(frozen=True)
class Cause:
    """One probable cause."""

    rank: int
    app_id: str
    operation: str
    exception_class: str
    error: str
    """exception type, `http 503`, or "" """
    coordinate: str
    """`link code#exception code`"""
    peer: str
    """the callee that does not answer, where the cause is a dependency nobody records; "" otherwise"""
    share: float
    """of the failing requests beyond the baseline, 0 to 1"""
    failing: int
    """failing requests that end here since the onset"""
    baseline: float
    """how many would have been expected"""
    first_at: datetime | None
    confidence: Confidence
    in_cause_set: bool
    sentence: Text
    contributions: tuple[Contribution, ...] = ()
    samples: tuple[str, ...] = ()
    """trace ids (hex)"""
    versions: tuple[str, ...] = ()
    """versions of the service on which it fails, newest first"""


@dataclass(frozen=True)
class TreeNode:
    """A node of the exception tree: a call, and how many failing requests went through it and ended in it."""

    app_id: str
    operation: str
    error: str
    through: int
    ended: int
    baseline: float
    cause_rank: int | None = None
    noise: Text | None = None
    children: tuple[TreeNode, ...] = ()


@dataclass(frozen=True)
class Noise:
    """A kind of failure that was set aside, and why."""

    app_id: str
    operation: str
    error: str
    count: int
    reason: Text


@dataclass(frozen=True)
class Answer:
    """What a diagnosis found for one environment at one moment."""

    environment: str
    at: datetime
    onset_at: datetime | None
    verdict: Verdict
    causes: tuple[Cause, ...] = ()
    tree: tuple[TreeNode, ...] = ()
    path: tuple[tuple[str, str], ...] = ()
    """call edges (caller AppId, callee AppId) from entry to cause"""
    noise: tuple[Noise, ...] = ()
    missing: tuple[Text, ...] = field(default_factory=tuple)
    """what would be needed to know more"""
