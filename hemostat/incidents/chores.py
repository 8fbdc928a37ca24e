"""Looking at open incidents again, again and again until they are over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from hemostat.base import clock, due
from hemostat.incidents import actions, queries
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State

RELAPSE_AFTER = timedelta(seconds=90)
"""A mitigated incident whose signals still fail this long after is open again: what was believed to help did not."""


def work(now: datetime) -> int:
    """Review the incidents that are due; returns how many. A bad one never holds up the others."""
    rows = due.claim(Incident, now=now, limit=20)
    for row in rows:
        try:
            _review(row)
        except due.LeaseLostError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one incident is kept on it
            due.fail(row, now=clock.now(), error=f"{type(error).__name__}: {error}", max_attempts=1 << 30)
    return len(rows)


def _review(row: Incident) -> None:
    if row.state == State.RESOLVED:
        with transaction.atomic():
            held = due.hold(row)
            due.finish(held, due_at=None)
        return
    diagnosed = None
    if row.state != State.MITIGATED:
        # outside the transaction that holds the row: an acknowledgement must not wait for a diagnosis
        diagnosed = actions.diagnose(row.environment.slug, since=row.onset_at)
    with transaction.atomic():
        actions.review(due.hold(row), diagnosed)
    if row.state == State.MITIGATED and row.mitigated_at is not None:
        _after_mitigation(row.pk, clock.now() - row.mitigated_at)


def _after_mitigation(incident_id: int, since: timedelta) -> None:
    quiet = timedelta(seconds=settings.CONFIG.resolve_quiet_s)
    if queries.still_failing(incident_id):
        if since >= RELAPSE_AFTER:
            actions.relapse(incident_id)
    elif since >= quiet:
        actions.resolve_quiet(incident_id, quiet.total_seconds())
