"""How long an alert lasts: the open alerts of all sources, what each thing sent does to them, and when they end.

Follows Alertmanager: identity is the full label set; a missing start is now (or the end, if that is given); a missing
end is five minutes from now; sending again extends; an end that has passed resolves. One thing is ours: firing again
after the end is a new alert, not the old one.

The ledger changes only in memory. `drain` gives what must be written, in a form that can be written at any time:
what is stored is always the state after everything that was folded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from hemostat.alerts.rules import labels as words
from hemostat.intake.readings import AlertReading

RESOLVE_TIMEOUT_S = 300.0
"""How long an alert whose sender told no end lasts after it was sent."""
EXPIRY_GRACE_S = 2.0
"""How long after its end an alert waits to be resolved by the clock: what was sent in time may still be on its way
through a commit.
"""


class Happening(StrEnum):
    """What an alert did."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(slots=True, eq=False)
class Alert:
    """One alert while it is open, and a moment longer; times are Unix seconds."""

    source: int
    fingerprint: bytes
    environment: str
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str
    starts_at: float
    ends_at: float
    ends_by_timeout: bool
    last_seen_at: float
    received: int = 1
    resolved_at: float | None = None
    id: int = 0
    """0 until it is stored"""


@dataclass(slots=True)
class Changes:
    """What must be written since the last `drain`."""

    born: list[Alert] = field(default_factory=list)
    """not stored yet, in the order they began; some may be over already"""
    changed: list[Alert] = field(default_factory=list)
    """stored, and different now"""
    happenings: list[tuple[Happening, Alert]] = field(default_factory=list)
    """in the order they happened"""


class Ledger:
    """The open alerts, by source and fingerprint."""

    def __init__(self, alerts: Collection[Alert] = ()) -> None:
        self._open = {(alert.source, alert.fingerprint): alert for alert in alerts}
        self._born: list[Alert] = []
        self._changed: dict[int, Alert] = {}
        self._happenings: list[tuple[Happening, Alert]] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def happened(self) -> bool:
        """Whether anything began or ended since the last `drain`."""
        return bool(self._happenings)

    def get(self, source: int, fingerprint: bytes) -> Alert | None:
        """The open alert with this identity."""
        return self._open.get((source, fingerprint))

    def take(self, source: int, reading: AlertReading, received_at: float, environment: str) -> None:
        """Fold one thing sent: begin, extend or end an alert. What is over and not known is ignored."""
        key = (source, words.fingerprint(reading.labels))
        starts_at, ends_at, by_timeout = times(reading, received_at)
        alert = self._open.get(key)
        if alert is not None and alert.ends_at <= received_at:
            self._resolve(alert, alert.ends_at)
            alert = None
        if ends_at <= received_at:
            # Senders tell of an end again and again: one of an earlier firing does not end this one. But who names no
            # start (`amtool alert add --end`) means the alert that fires, however coarse its clock.
            if alert is not None and (ends_at >= alert.starts_at or reading.starts_at is None):
                alert.ends_at, alert.ends_by_timeout = ends_at, False
                alert.last_seen_at = received_at
                alert.received += 1
                self._resolve(alert, ends_at)
            return
        if alert is None:
            self._begin(Alert(source, key[1], environment, reading.labels, reading.annotations, reading.generator_url,
                              starts_at, ends_at, by_timeout, received_at))  # fmt: skip
            return
        alert.starts_at = min(alert.starts_at, starts_at)
        if ends_at >= alert.ends_at or alert.ends_by_timeout:
            alert.ends_at, alert.ends_by_timeout = ends_at, by_timeout
        if reading.annotations != alert.annotations:
            alert.annotations = reading.annotations
        alert.generator_url = reading.generator_url
        alert.last_seen_at = received_at
        alert.received += 1
        if alert.id:
            self._changed[alert.id] = alert

    def expire(self, now: float) -> None:
        """End the alerts whose end has passed; only right when everything sent until then has been folded."""
        over = [alert for alert in self._open.values() if alert.ends_at + EXPIRY_GRACE_S <= now]
        for alert in sorted(over, key=lambda a: a.ends_at):
            self._resolve(alert, alert.ends_at)

    def drain(self) -> Changes:
        """What must be written; the caller sets the ids of the born."""
        changes = Changes(self._born, list(self._changed.values()), self._happenings)
        self._born, self._changed, self._happenings = [], {}, []
        return changes

    def _begin(self, alert: Alert) -> None:
        self._open[alert.source, alert.fingerprint] = alert
        self._born.append(alert)
        self._happenings.append((Happening.FIRING, alert))

    def _resolve(self, alert: Alert, at: float) -> None:
        alert.resolved_at = max(at, alert.starts_at)
        del self._open[alert.source, alert.fingerprint]
        if alert.id:
            self._changed[alert.id] = alert
        self._happenings.append((Happening.RESOLVED, alert))


def times(reading: AlertReading, received_at: float) -> tuple[float, float, bool]:
    """Start and end of a thing sent, and whether the end is ours because the sender told none."""
    starts_at, ends_at = reading.starts_at, reading.ends_at
    if starts_at is None:
        starts_at = received_at if ends_at is None else ends_at
    if ends_at is None:
        return starts_at, max(starts_at, received_at) + RESOLVE_TIMEOUT_S, True
    return starts_at, ends_at, False
