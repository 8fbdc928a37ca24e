"""Reading what the door keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum

from hemostat.intake.models import SpanBucket, TokenBucket


@dataclass(frozen=True, slots=True)
class RedPoint:
    """Ten seconds of one entry, or of its calls to one peer; all intake processes added up."""

    bucket: datetime
    app_id: str
    entry: str
    peer: str
    requests: int
    failed: int
    business_errors: int
    duration_ms: float


def red(
    environment: str,
    *,
    since: datetime,
    until: datetime,
    app_id: str | None = None,
    entry: str | None = None,
    own_only: bool = True,
) -> list[RedPoint]:
    """Rates, errors and durations of the buckets that begin in [since, until), ordered by time."""
    rows = SpanBucket.objects.filter(environment=environment, bucket__gte=since, bucket__lt=until)
    if app_id is not None:
        rows = rows.filter(app_id=app_id)
    if entry is not None:
        rows = rows.filter(entry=entry)
    if own_only:
        rows = rows.filter(peer="")
    columns = ("bucket", "app_id", "entry", "peer")
    summed = (
        rows.values(*columns)
        .annotate(
            n=Sum("requests"), bad=Sum("failed"), business=Sum("business_errors"), time=Sum("duration_ms")
        )
        .order_by(*columns)
    )
    return [
        RedPoint(
            r["bucket"],
            r["app_id"],
            r["entry"],
            r["peer"],
            int(r["n"]),
            int(r["bad"]),
            int(r["business"]),
            r["time"],
        )
        for r in summed
    ]


def environments(since: datetime) -> list[str]:
    """The environments that sent spans in buckets that begin at `since` or later."""
    rows = SpanBucket.objects.filter(bucket__gte=since).values_list("environment", flat=True)
    return sorted(set(rows.distinct()))


def counters(
    environment: str, *, since: datetime, until: datetime
) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """Bucket, key and payload of the rows of attribution that begin in [since, until).

    One for each intake process; `intake.rules.tally.Tally.absorb` adds them.
    """
    rows = TokenBucket.objects.filter(environment=environment, bucket__gte=since, bucket__lt=until)
    yield from rows.values_list("bucket", "key", "payload").iterator(chunk_size=2000)
