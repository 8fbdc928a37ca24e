"""Drops are opened, kept up to date and closed here; the engine's leader looks once a second.

Every environment is watched. Which drops page somebody is not decided here: an outer and an inner entry that
fall because of one failure are two drops, joined by incidents.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from hemostat.detection import queries, rules
from hemostat.detection.models import Drop
from hemostat.detection.rules import BUCKET_S, Bucket, Fall, Span
from hemostat.detection.watch import HOUR_S, Series, Watch
from hemostat.events import actions as events
from hemostat.events.rules import SYSTEM, Ref

CURRENT_S = 30
"""The share that is called current is that of so many seconds."""
WORST_REQUESTS = 5
"""A bucket with fewer requests does not count as the worst."""

_watch = Watch()


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look brought."""

    opened: tuple[int, ...] = ()
    recovered: tuple[int, ...] = ()
    """ids of drops"""


def look(now: datetime, watch: Watch | None = None) -> Looked:
    """Read the newest figures; open, update and close drops.

    `watch` keeps the hour between looks; by default this process's own.
    """
    watch = watch or _watch
    watch.refresh(now)
    rows = {Series(d.environment, d.app_id, d.entry): d for d in Drop.objects.filter(recovered_at=None)}
    recovered = [drop.pk for name, drop in rows.items() if _follow(drop, watch.buckets(name), now)]
    opened = []
    past: dict[str, dict[Series, list[Span]]] = {}
    for name in watch.recently_failing(now):
        if name in rows:
            continue
        if name.environment not in past:
            past[name.environment] = _past_drops(name.environment, now)
        fall = rules.find_fall(watch.buckets(name), past[name.environment].get(name, ()))
        if fall is not None:
            opened.append(_open(name, fall, now))
    return Looked(tuple(opened), tuple(recovered))


def _past_drops(environment: str, now: datetime) -> dict[Series, list[Span]]:
    past: dict[Series, list[Span]] = {}
    for app_id, entry, span in queries.over_between(environment, now - timedelta(seconds=HOUR_S), now):
        past.setdefault(Series(environment, app_id, entry), []).append(span)
    return past


def _open(series: Series, fall: Fall, now: datetime) -> int:
    onset = datetime.fromtimestamp(fall.onset, UTC)
    until = now + timedelta(seconds=BUCKET_S)
    with transaction.atomic():
        drop = Drop.objects.create(
            environment=series.environment,
            app_id=series.app_id,
            entry=series.entry,
            onset_at=onset,
            detected_at=now,
            baseline=fall.baseline,
            worst=fall.current,
            current=fall.current,
            failed=fall.failed,
            users=queries.users(series.environment, series.app_id, series.entry, onset, until),
            evidence={
                "requests": fall.requests,
                "failed": fall.failed,
                "window_s": fall.window_s,
                "log_chance": round(fall.log_chance, 1),
                "baseline_requests": fall.usual.requests,
                "baseline_failed": fall.usual.failed,
                "baseline_s": fall.usual.seconds,
                "dispersion": round(fall.usual.dispersion, 2),
                "failing": 1 - fall.current,
            },
        )
        _record("detection.drop_opened", drop)
    return drop.pk


def _follow(drop: Drop, buckets: list[Bucket], now: datetime) -> bool:
    """Bring a drop up to date; returns whether it has recovered."""
    onset, present = drop.onset_at.timestamp(), now.timestamp()
    since = [b for b in buckets if b.at + BUCKET_S > onset]
    requests = sum(b.requests for b in since)
    recent = [b for b in since if b.at > present - CURRENT_S - BUCKET_S and b.requests]
    failing = max(drop.evidence["failing"], sum(b.failed for b in since) / requests if requests else 0.0)
    before = (drop.failed, drop.current, drop.worst, drop.evidence["failing"])
    failed = sum(b.failed for b in since)
    if failed != drop.failed or not drop.users:
        drop.users = max(drop.users, _users(drop, now))
    drop.failed = max(drop.failed, failed)
    if recent:
        drop.current = 1 - sum(b.failed for b in recent) / sum(b.requests for b in recent)
    full = [b for b in since if b.requests >= WORST_REQUESTS]
    drop.worst = min([drop.worst, *(1 - b.failed / b.requests for b in full)])
    drop.evidence["failing"] = failing
    back = rules.is_back(since, usual_failing=1 - drop.baseline, fault_failing=failing, now=present)
    if back:
        drop.recovered_at = now
    if back or before != (drop.failed, drop.current, drop.worst, failing):
        with transaction.atomic():
            drop.save(update_fields=["failed", "users", "current", "worst", "evidence", "recovered_at"])
            if back:
                _record("detection.drop_recovered", drop)
    return back


def _users(drop: Drop, now: datetime) -> int:
    until = now + timedelta(seconds=BUCKET_S)
    return queries.users(drop.environment, drop.app_id, drop.entry, drop.onset_at, until)


def _record(kind: str, drop: Drop) -> None:
    events.record(
        kind,
        actor=SYSTEM,
        subjects=[
            Ref("drop", str(drop.pk), f"{drop.app_id} {drop.entry}"[:200]),
            Ref("service", drop.app_id[:80], drop.app_id),
        ],
        params={
            "environment": drop.environment,
            "app_id": drop.app_id,
            "entry": drop.entry,
            "baseline": drop.baseline,
            "current": drop.current,
            "onset": drop.onset_at.isoformat(),
        },
    )
