"""Durations counted in logarithmic buckets: bounds grow by 5 %, so that any quantile is right within 2.5 %.

Bucket 0 holds everything up to a microsecond. Histograms merge by adding the counts of equal buckets; a stored
one is a row of (bucket, count) pairs, big-endian, in the order of the buckets.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping

GAMMA = 1.05
"""Each bucket's upper bound is this much above the one before."""

MAX_COUNT = (1 << 32) - 1
"""A stored count stops here rather than wrap around."""

_PER_LOG = 1.0 / math.log(GAMMA)
_PAIR = struct.Struct("!HI")
_log = math.log


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration in nanoseconds."""
    return int(_log(duration_ns * 1e-3) * _PER_LOG) + 1 if duration_ns > 1000 else 0


def duration_ms(bucket: int) -> float:
    """The duration, in milliseconds, that stands for all of a bucket: at most 2.5 % from any of them."""
    if bucket == 0:
        return 0.001
    lower = GAMMA ** (bucket - 1)
    return lower * 2 * GAMMA / (1 + GAMMA) / 1000


def encode(counts: Mapping[int, int]) -> bytes:
    """The stored form."""
    return b"".join(_PAIR.pack(bucket, min(counts[bucket], MAX_COUNT)) for bucket in sorted(counts))


def decode(data: bytes) -> dict[int, int]:
    """Read the stored form."""
    return dict(_PAIR.iter_unpack(data))


def merge(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """All counts of several histograms together."""
    total: dict[int, int] = {}
    for counts in histograms:
        for bucket, count in counts.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """The duration, in milliseconds, that `share` (0 to 1) of the requests did not exceed; None without any."""
    total = sum(counts.values())
    if not total:
        return None
    wanted = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return duration_ms(bucket)
    raise AssertionError("unreachable: the counts add up to the total")
