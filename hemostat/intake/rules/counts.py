"""What is counted: small sums that add up, over traces, processes and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import LeafKind

OTHER = "(other)"
"""Stands for all names beyond a bound."""
MAX_VERSIONS = 20
MAX_SAMPLES = 5


@dataclass(slots=True)
class Requests:
    """Requests from outside to one entry. Weighted counts say how many there were, plain ones how many
    were traced.
    """

    weighted: float = 0.0
    weighted_failed: float = 0.0
    traced: int = 0
    failed: int = 0

    def add(self, other: Requests, sign: int = 1) -> None:
        """Add or take back."""
        self.weighted += sign * other.weighted
        self.weighted_failed += sign * other.weighted_failed
        self.traced += sign * other.traced
        self.failed += sign * other.failed


@dataclass(slots=True)
class TokenCount:
    """Failing requests of one token."""

    weighted: float = 0.0
    traced: int = 0
    first_ns: int = 0
    """start of the earliest request, Unix nanoseconds"""
    samples: list[str] = field(default_factory=list)
    """trace ids, hex"""
    versions: dict[str, int] = field(default_factory=dict)
    """versions of the leaf's service that were met"""
    manners: dict[str, int] = field(default_factory=dict)
    """how the last call went wrong (`coordinates.rules.exceptions.Manner`)"""

    def add(self, other: TokenCount, sign: int = 1) -> None:
        """Add or take back."""
        self.weighted += sign * other.weighted
        self.traced += sign * other.traced
        if sign > 0:
            self.first_ns = min(self.first_ns or other.first_ns, other.first_ns or self.first_ns)
            fresh = [s for s in other.samples if s not in self.samples]
            self.samples += fresh[: MAX_SAMPLES - len(self.samples)]
        else:
            self.samples = [s for s in self.samples if s not in other.samples]
        _add_counts(self.versions, other.versions, sign)
        _add_counts(self.manners, other.manners, sign)


@dataclass(slots=True)
class Times:
    """Sums over own times, from which geometric mean, spread and mean follow; nanoseconds."""

    n: int = 0
    log: float = 0.0
    log_squared: float = 0.0
    total: float = 0.0

    def add(self, other: Times, sign: int = 1) -> None:
        """Add or take back."""
        self.n += sign * other.n
        self.log += sign * other.log
        self.log_squared += sign * other.log_squared
        self.total += sign * other.total


@dataclass(slots=True)
class Edge:
    """Calls of one operation to one other."""

    calls: int = 0
    decisive: int = 0
    """times that the callee failed for good and nothing else could have decided the caller's fate"""
    caller_failed: int = 0
    """of these, how often the caller failed"""
    behind: int = 0
    """times that the callee was seen behind the caller, which records nothing itself"""

    def add(self, other: Edge, sign: int = 1) -> None:
        """Add or take back."""
        self.calls += sign * other.calls
        self.decisive += sign * other.decisive
        self.caller_failed += sign * other.caller_failed
        self.behind += sign * other.behind


@dataclass(slots=True)
class NodeCount:
    """What happened at one operation."""

    calls: int = 0
    times: Times = field(default_factory=Times)
    failures: dict[tuple[LeafKind, str], int] = field(default_factory=dict)
    """calls that ended here badly, every attempt, by kind and label, whether or not an entry failed"""
    callees: dict[Node, Edge] = field(default_factory=dict)


@dataclass(slots=True)
class ServiceCount:
    """What happened in one service."""

    recording: bool = False
    """it has sent spans of its own"""
    operations: dict[str, NodeCount] = field(default_factory=dict)
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """version → calls answered, of these failed"""

    def answered(self, version: str, calls: int, failed: int) -> None:
        """Count calls answered by a version."""
        if version not in self.versions and len(self.versions) >= MAX_VERSIONS:
            version = OTHER
        had_calls, had_failed = self.versions.get(version, (0, 0))
        self.versions[version] = (had_calls + calls, had_failed + failed)


@dataclass(slots=True)
class Remainder:
    """What the counters do not tell in full."""

    late_spans: int = 0
    """came after their trace was closed"""
    sampled_out: int = 0
    """spans of traces that were left out above the budget"""
    cut_traces: int = 0
    """closed early, or shortened, because too much was open"""
    answered: int = 0
    """calls that ended well, to services that record"""
    unseen: int = 0
    """of these, how many have no server span: the share of telemetry that is lost"""

    def add(self, other: Remainder, sign: int = 1) -> None:
        """Add or take back."""
        self.late_spans += sign * other.late_spans
        self.sampled_out += sign * other.sampled_out
        self.cut_traces += sign * other.cut_traces
        self.answered += sign * other.answered
        self.unseen += sign * other.unseen


def _add_counts(into: dict[Any, int], other: Mapping[Any, int], sign: int) -> None:
    for key, n in other.items():
        left = into.get(key, 0) + sign * n
        if left:
            into[key] = left
        else:
            into.pop(key, None)
