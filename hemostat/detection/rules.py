"""Seeing a drop of the success rate against the series' own recent past, and seeing it come back.

A series is one entry of one service in ten-second buckets, the open one included. Every trailing window from
ten seconds to ten minutes is compared with the hour before it. A drop needs all of this:

- a baseline of at least 30 requests over at least a minute (periods of known drops don't count);
- at least 4 failing requests in the window, at a share one percentage point and half as much again above the
baseline; - a chance below 1 in 100 million of seeing so many failures if nothing had changed. The chance is
that of a beta-binomial distribution: the baseline's rate is itself uncertain, the more so the less was seen.
Where failures come in bursts, the counts are divided by their overdispersion first.

At 50 requests/s, 99.9 % → 97 % is seen within some 7 seconds; at 5 requests a minute, 4 failures in a row.
Recovery needs as much evidence as the failure's own size asks for: so many good requests that the fault, had
it lasted, would have shown in 99 of 100 cases. Traffic that vanished proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

BUCKET_S = 10
BASELINE_S = 3600
WINDOWS = (1, 2, 3, 6, 12, 30, 60)
"""trailing windows, in buckets"""
MIN_BASELINE_REQUESTS = 30
MIN_BASELINE_S = 60
MIN_FAILED = 4
MIN_FALL = 0.01
"""of the share, absolute"""
MIN_RATIO = 1.5
"""of the failing share against the baseline's"""
LOG_ALPHA = math.log(1e-8)

RECOVERY_S = 20
"""The least time for which the share must be back."""
RECOVERY_LONGEST = 60
"""The longest window, in buckets, in which evidence of recovery is collected."""
MIN_GOOD = 5
MISSED = 0.01
"""How often a lasting fault may look recovered."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Ten seconds of a series."""

    at: int
    """start, Unix seconds"""
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual: counts over so many seconds, and by how much counts scatter more than chance (1: not
    at all).
    """

    requests: int
    failed: int
    seconds: int
    dispersion: float

    @property
    def failing(self) -> float:
        """The failing share, 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def enough(self) -> bool:
        """Whether there is enough to compare with."""
        return self.requests >= MIN_BASELINE_REQUESTS and self.seconds >= MIN_BASELINE_S


@dataclass(frozen=True, slots=True)
class Fall:
    """A drop, and the figures that decided."""

    onset: int
    """start of the first bad bucket, Unix seconds"""
    baseline: float
    """share of good requests before"""
    current: float
    """share of good requests in the window"""
    requests: int
    failed: int
    window_s: int
    log_chance: float
    """natural logarithm of the chance that nothing has changed"""
    usual: Baseline


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, Unix seconds, end excluded."""

    start: float
    end: float

    def touches(self, bucket: int) -> bool:
        """Whether a part of the bucket lies inside."""
        return self.start < bucket + BUCKET_S and bucket < self.end


def baseline(buckets: Sequence[Bucket]) -> Baseline:
    """Sum up what came before."""
    usable = [b for b in buckets if b.requests]
    requests, failed = sum(b.requests for b in usable), sum(b.failed for b in usable)
    seconds = usable[-1].at + BUCKET_S - usable[0].at if usable else 0
    return Baseline(requests, failed, seconds, dispersion(usable))


def dispersion(buckets: Sequence[Bucket]) -> float:
    """Variance of the minutes' failing counts over what chance gives (Pearson's statistic), at least 1."""
    minutes: dict[int, tuple[int, int]] = {}
    for bucket in buckets:
        requests, failed = minutes.get(bucket.at // 60, (0, 0))
        minutes[bucket.at // 60] = (requests + bucket.requests, failed + bucket.failed)
    total = sum(n for n, _ in minutes.values())
    rate = sum(k for _, k in minutes.values()) / total if total else 0.0
    if len(minutes) < 5 or not 0.0 < rate < 1.0:
        return 1.0
    excess = sum((k - n * rate) ** 2 / (n * rate * (1 - rate)) for n, k in minutes.values())
    return max(1.0, excess / (len(minutes) - 1))


def log_chance(failed: float, requests: float, usual: Baseline) -> float:
    """Log of the chance of at least `failed` of `requests` if the baseline's rate still held.

    Beta-binomial tail with Jeffreys' prior, after dividing the counts by the overdispersion.
    """
    phi = usual.dispersion
    k, n = failed / phi, requests / phi
    a = usual.failed / phi + 0.5
    b = (usual.requests - usual.failed) / phi + 0.5
    if k <= n * a / (a + b):
        return 0.0
    log_term = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + a + b)
        + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    )  # fmt: skip
    total = term = 1.0
    while k + 1 <= n and term > 1e-9 * total:
        term *= (n - k) / (k + 1) * (k + a) / (n - k - 1 + b)
        total += term
        k += 1
    return min(0.0, log_term + math.log(total))


def find_fall(buckets: Sequence[Bucket], excluded: Sequence[Span] = ()) -> Fall | None:
    """The drop in which the series is at its end, None when there is none.

    `buckets` are ordered by time and may have gaps; the last hour and a bit is needed. `excluded` are drops
    that are over: they are neither usual nor news.
    """
    buckets = [b for b in buckets if not any(e.touches(b.at) for e in excluded)]
    if sum(b.failed for b in buckets[-WINDOWS[-1] :]) < MIN_FAILED:
        return None
    last = buckets[-1].at
    best: Fall | None = None
    for length in WINDOWS:
        begin = last - (length - 1) * BUCKET_S
        split = next(i for i, b in enumerate(buckets) if b.at >= begin)
        inside = buckets[split:]
        failed = sum(b.failed for b in inside)
        if failed < MIN_FAILED:
            continue
        usual = baseline([b for b in buckets[:split] if b.at >= begin - BASELINE_S])
        if not usual.enough:
            continue
        requests = sum(b.requests for b in inside)
        share = failed / requests
        if share < usual.failing + MIN_FALL or share < usual.failing * MIN_RATIO:
            continue
        chance = log_chance(failed, requests, usual)
        if chance < LOG_ALPHA and (best is None or chance < best.log_chance):
            best = Fall(
                onset=onset(inside, usual),
                baseline=1 - usual.failing,
                current=1 - share,
                requests=requests,
                failed=failed,
                window_s=length * BUCKET_S,
                log_chance=chance,
                usual=usual,
            )
    if best is not None and is_back(
        buckets, usual_failing=1 - best.baseline, fault_failing=1 - best.current, now=last + BUCKET_S
    ):
        return None
    return best


def onset(inside: Sequence[Bucket], usual: Baseline) -> int:
    """Start of the first bad bucket of a window: from there on, failures exceed the usual most (largest
    cumulative sum).
    """
    surplus = list(accumulate(b.failed - b.requests * usual.failing for b in reversed(inside)))
    first = max(range(len(surplus)), key=lambda i: (surplus[i], -i))
    return inside[len(inside) - 1 - first].at


def is_back(buckets: Sequence[Bucket], *, usual_failing: float, fault_failing: float, now: float) -> bool:
    """Whether the share has come back, with enough evidence.

    `usual_failing` is the failing share before the drop, `fault_failing` during it. Looks at trailing windows
    from `RECOVERY_S` up; a window with a failing share nearer to the fault than to the usual is not back.
    """
    needed = evidence_needed(usual_failing, fault_failing)
    requests = failed = 0
    for bucket in reversed(buckets[-RECOVERY_LONGEST:]):
        requests += bucket.requests
        failed += bucket.failed
        if now - bucket.at < RECOVERY_S or requests < needed:
            continue
        allowed = usual_failing + (fault_failing - usual_failing) / 4
        return failed <= max(allowed * requests, 1 if requests >= 2 * needed else 0)
    return False


def evidence_needed(usual_failing: float, fault_failing: float) -> int:
    """How many requests it takes to tell recovered from still failing: a lasting fault would rarely show
    so few failures.
    """
    gap = max(MIN_FALL, fault_failing - usual_failing)
    if gap >= 1.0:
        return MIN_GOOD
    return max(MIN_GOOD, math.ceil(math.log(MISSED) / math.log(1.0 - gap)))
