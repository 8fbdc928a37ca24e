"""Writing the heartbeats of the engine's loops."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hemostat.base.models import Heartbeat

KEPT = timedelta(hours=1)
"""How long the rows of a process that is gone are kept, for `hemostat doctor` to tell of it."""


def beat(beats: Sequence[Heartbeat], *, now: datetime) -> None:
    """Write the state of this process's loops and forget processes long gone."""
    Heartbeat.objects.bulk_create(
        beats,
        update_conflicts=True,
        unique_fields=["process", "loop"],
        update_fields=["leads", "beat_at", "busy_since", "rounds", "error", "error_since"],
    )
    Heartbeat.objects.filter(beat_at__lt=now - KEPT).delete()


def say_goodbye(process: str) -> None:
    """Remove the heartbeats of a process that stops in order."""
    Heartbeat.objects.filter(process=process).delete()
