"""How each service does right now: the share of good answers over the last half hour, minute by minute."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import TruncMinute

from hemostat.catalog import queries as catalog
from hemostat.desk.rules.health import Health, Minute, arrange
from hemostat.detection.models import Drop
from hemostat.intake.models import SpanBucket

SHOWN = timedelta(minutes=30)


def health(now: datetime, causes: frozenset[str]) -> list[Health]:
    """The services that were asked for something lately, those that hurt first; three queries.

    `causes` are the AppIds that open incidents name as cause.
    """
    counted = (
        SpanBucket.objects.filter(bucket__gte=now - SHOWN, bucket__lt=now, peer="")
        .annotate(minute=TruncMinute("bucket"))
        .values("app_id", "minute")
        .annotate(asked=Sum("requests"), bad=Sum("failed"))
        .order_by("app_id", "minute")
    )
    minutes: dict[str, list[Minute]] = defaultdict(list)
    for row in counted:
        minutes[row["app_id"]].append(Minute(row["minute"], row["asked"], row["bad"]))
    falling = frozenset(Drop.objects.filter(recovered_at__isnull=True).values_list("app_id", flat=True))
    known = {s.app_id: (s.label, s.tier) for s in catalog.services()}
    return arrange(minutes, known, falling=falling, causes=causes)
