"""Waking the other processes: NOTIFY inside the transaction, LISTEN in the engine and the intake.

A wake-up only shortens a wait; every loop also looks by itself, so that a lost notification delays and never
loses.
"""

from __future__ import annotations

ENGINE = "hemostat_engine"
INTAKE = "hemostat_intake"


def wake(channel: str, what: str = "") -> None:
    """Tell the listeners of `channel`, when the present transaction commits, that there is `what` to do."""
    from django.db import connection  # the intake knows the channels and runs without Django

    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [channel, what])
