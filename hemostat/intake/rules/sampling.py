"""Which traces are attributed when there are more spans than the budget allows: chosen by trace id, alike
everywhere.
"""

from __future__ import annotations

import hashlib
from collections import deque

MAX_LEVEL = 16
CALM_S = 60


class Sampling:
    """At level L one trace in 2^L stays, and stands for 2^L.

    What stays at a level also stays at every lower one, in every process. The level rises as soon as a second
    has more spans than the budget; it falls when no second of a minute had more than a third of it.
    """

    def __init__(self, budget: float) -> None:
        """`budget` in accepted spans a second."""
        self._budget = budget
        self._level = 0
        self._second = 0
        self._spans = 0
        self._recent: deque[int] = deque(maxlen=CALM_S)

    @property
    def share(self) -> float:
        """The share of traces that stays."""
        return 1.0 / (1 << self._level)

    def weight(self, trace_id: bytes) -> float:
        """How many traces this one stands for; 0 when it is left out."""
        if not self._level:
            return 1.0
        digest = hashlib.blake2b(trace_id, digest_size=4).digest()
        kept = int.from_bytes(digest, "big") & ((1 << self._level) - 1) == 0
        return float(1 << self._level) if kept else 0.0

    def accepted(self, spans: int, now: float) -> None:
        """So many spans were accepted at `now` (seconds)."""
        second = int(now)
        if second != self._second:
            self._recent.append(self._spans)
            self._second, self._spans = second, 0
            calm = len(self._recent) == CALM_S and max(self._recent) < self._budget / 3
            if self._level and calm:
                self._level -= 1
                self._recent.clear()
        self._spans += spans
        while self._spans > self._budget and self._level < MAX_LEVEL:
            self._level += 1
            self._spans //= 2
            self._recent.clear()
