"""Everything that can happen to alerts."""

from __future__ import annotations

from datetime import datetime, timedelta

from hemostat.alerts.folding import Folding
from hemostat.alerts.models import Alert
from hemostat.base.texts import Text

KEEP = timedelta(days=90)
BATCH = 5_000

_folding = Folding()


def fold_inbox(now: datetime) -> int:
    """Fold what has come into the inbox; returns how many groups that were, 0 when everything is folded.

    For the engine's leader only, from one thread. Events: `alerts.firing`, `alerts.resolved`.
    """
    return _folding.step(now)


def forget() -> None:
    """Give up what this process holds of the inbox, because another one leads, or a test begins."""
    _folding.forget()


def set_fate(alert_id: int, fate: Text) -> None:
    """Note what became of an alert: which incident it joined, or why nobody was paged.

    No event: whatever decided the fate has told of it. Raises `Alert.DoesNotExist`.
    """
    if not Alert.objects.filter(pk=alert_id).update(fate=fate.as_json()):
        raise Alert.DoesNotExist(f"no alert {alert_id}")


def drop_old(now: datetime) -> int:
    """Drop alerts that ended more than 90 days ago and belong to nothing; returns how many."""
    old = Alert.objects.filter(resolved_at__lt=now - KEEP, signal__isnull=True).values_list("pk", flat=True)[:BATCH]
    return Alert.objects.filter(pk__in=list(old)).delete()[0]
