"""What came in: sources and what they sent, RED by ten seconds, failing users, and failing spans to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from hemostat.intake import frames, store
from hemostat.intake.models import FailingSpan, InboxCursor, Source, SpanBucket, TokenBucket
from hemostat.intake.rules import histogram, tally_rows
from hemostat.intake.rules.distinct import Distinct, union


@dataclass(frozen=True)
class SourceView:
    """A sender, and how it is getting on; counts are of alerts or spans (refused also of whole requests)."""

    id: int
    slug: str
    name: str
    protocol: str
    environment: str
    token_prefix: str
    """the part of the token that is no secret"""
    created_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None
    accepted: int
    refused: int
    last_refusal: str


def _source(row: Source) -> SourceView:
    return SourceView(
        id=row.pk,
        slug=row.slug,
        name=row.name,
        protocol=row.protocol,
        environment=row.environment.slug,
        token_prefix=f"hs_{row.public_id}_",
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_seen_at=row.last_seen_at,
        accepted=row.accepted,
        refused=row.refused,
        last_refusal=row.last_refusal,
    )


def sources(*, revoked: bool = False) -> list[SourceView]:
    """The sources by name; also revoked ones with `revoked`. Counts lag by two seconds."""
    rows = Source.objects.select_related("environment").order_by("name")
    return [_source(row) for row in (rows if revoked else rows.filter(revoked_at__isnull=True))]


def source(slug: str) -> SourceView | None:
    """One source, None when there is none."""
    row = Source.objects.select_related("environment").filter(slug=slug).first()
    return _source(row) if row else None


@dataclass(frozen=True)
class RedPoint:
    """Ten seconds of one entry, or of one service's calls to one peer: all processes together."""

    bucket: datetime
    """start of the ten seconds"""
    app_id: str
    entry: str
    """the entry method; "" for calls"""
    peer: str
    """"" for the entry's own requests, else the callee"""
    requests: int
    failed: int
    business_errors: int
    """4xx; not among `failed`"""
    duration_ms: float
    """sum over the requests"""
    histogram: dict[int, int]
    """`intake.rules.histogram`: bucket → requests"""
    users: bytes
    """sketch (`intake.rules.distinct`) of all users"""
    failed_users: bytes
    """sketch of the users who met a failure"""


def _buckets(
    environment: str,
    since: datetime,
    until: datetime,
    app_id: str | None,
    entry: str | None,
    own_only: bool,
) -> QuerySet[SpanBucket]:
    rows = SpanBucket.objects.filter(bucket__gte=since, bucket__lt=until, environment=environment)
    if app_id is not None:
        rows = rows.filter(app_id=app_id)
    if entry is not None:
        rows = rows.filter(entry=entry)
    return rows.filter(peer="") if own_only else rows


def red(
    environment: str,
    *,
    since: datetime,
    until: datetime,
    app_id: str | None = None,
    entry: str | None = None,
    own_only: bool = True,
) -> list[RedPoint]:
    """RED of the buckets that start in [since, until), oldest first; one query.

    `own_only`: only what entries answered; without it, also the calls to peers.
    """
    merged: dict[tuple[datetime, str, str, str], list[SpanBucket]] = {}
    for row in _buckets(environment, since, until, app_id, entry, own_only).order_by(
        "bucket", "app_id", "entry", "peer"
    ):
        merged.setdefault((row.bucket, row.app_id, row.entry, row.peer), []).append(row)
    return [_point(rows) for rows in merged.values()]


def _point(rows: list[SpanBucket]) -> RedPoint:
    first = rows[0]
    alone = len(rows) == 1
    return RedPoint(
        bucket=first.bucket,
        app_id=first.app_id,
        entry=first.entry,
        peer=first.peer,
        requests=sum(r.requests for r in rows),
        failed=sum(r.failed for r in rows),
        business_errors=sum(r.business_errors for r in rows),
        duration_ms=sum(r.duration_ms for r in rows),
        histogram=histogram.merge(histogram.decode(bytes(r.histogram)) for r in rows),
        users=bytes(first.users) if alone else union(bytes(r.users) for r in rows).encode(),
        failed_users=bytes(first.failed_users) if alone else union(bytes(r.failed_users) for r in rows).encode(),
    )


@dataclass(frozen=True, slots=True)
class CountPoint:
    """Requests to one entry in ten seconds: all processes together."""

    environment: str
    bucket: datetime
    app_id: str
    entry: str
    requests: int
    failed: int


def counts(*, since: datetime, until: datetime) -> Iterator[CountPoint]:
    """Requests and failures of every entry in the buckets that start in [since, until), for detection."""
    rows = SpanBucket.objects.filter(bucket__gte=since, bucket__lt=until, peer="")
    summed = rows.values_list("environment", "bucket", "app_id", "entry").annotate(Sum("requests"), Sum("failed"))
    for environment, bucket, app_id, entry, requests, failed in summed.iterator(chunk_size=2000):
        yield CountPoint(environment, bucket, app_id, entry, int(requests), int(failed))


def environments(since: datetime) -> list[str]:
    """The environments that sent spans which ended after `since`, by name."""
    return sorted(SpanBucket.objects.filter(bucket__gte=since).values_list("environment", flat=True).distinct())


def distinct(sketches: Iterable[bytes]) -> int:
    """How many different users the sketches hold together."""
    return union(sketches).count()


def users_failed(environment: str, app_id: str, entry: str, since: datetime, until: datetime) -> int:
    """How many different users met a failure of an entry in the buckets that start in [since, until), about."""
    rows = _buckets(environment, since, until, app_id, entry, own_only=True).exclude(failed_users=b"")
    whole = Distinct()
    for sketch in rows.values_list("failed_users", flat=True):
        whole.merge(Distinct.decode(bytes(sketch)))
    return whole.count()


@dataclass(frozen=True)
class SpanSample:
    """A failing span as people look at it; everything in it was redacted before it was stored."""

    trace_id: str
    span_id: str
    parent_id: str
    environment: str
    app_id: str
    operation: str
    at: datetime
    """when it ended"""
    exception: str
    """code of the exception coordinate"""
    link: str
    """code of the link coordinate, as far as it was known"""
    evidence: dict[str, Any]
    """name, kind, duration_ms, instance, version, http_code, peer, type, message, stacktrace, attributes …"""


def samples(
    environment: str,
    *,
    exceptions: Iterable[str] | None = None,
    app_id: str | None = None,
    trace_ids: Iterable[str] | None = None,
    since: datetime | None = None,
    limit: int = 20,
) -> list[SpanSample]:
    """Failing spans, newest first: of some exception coordinates, a service, or some traces (hex)."""
    rows = FailingSpan.objects.filter(environment=environment)
    if exceptions is not None:
        rows = rows.filter(exception__in=list(exceptions))
    if app_id is not None:
        rows = rows.filter(app_id=app_id)
    if trace_ids is not None:
        rows = rows.filter(trace_id__in=[bytes.fromhex(t) for t in trace_ids])
    if since is not None:
        rows = rows.filter(at__gte=since)
    return [
        SpanSample(
            trace_id=bytes(row.trace_id).hex(),
            span_id=bytes(row.span_id).hex(),
            parent_id=bytes(row.parent_id).hex(),
            environment=row.environment,
            app_id=row.app_id,
            operation=row.operation,
            at=row.at,
            exception=row.exception,
            link=row.link,
            evidence=row.sample,
        )
        for row in rows.order_by("-at")[:limit]
    ]


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One commit group of raw alerts."""

    proc: int
    id: int
    received_at: float
    """Unix seconds"""
    codec: int
    data: bytes

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """(source id, body) of each request in the group; raises `frames.FrameError`."""
        return frames.unpack(self.codec, self.data)


def cursors() -> dict[int, int]:
    """How far each intake process's groups are folded: proc → id of the last group."""
    return dict(InboxCursor.objects.values_list("proc", "position"))


def inbox_after(positions: Mapping[int, int], limit: int) -> list[InboxRow]:
    """The next groups of each process, in the order in which it committed them; at most `limit` of each."""
    if not positions:
        return []
    with connection.cursor() as cursor:
        cursor.execute(store.INBOX_AFTER, [list(positions), list(positions.values()), limit])
        return [InboxRow(proc, id_, at.timestamp(), codec, bytes(data)) for proc, id_, at, codec, data in cursor]


@dataclass(frozen=True)
class ParkedGroup:
    """Raw alerts that could not be folded and were put aside."""

    proc: int
    group: int
    reason: str


def parked() -> list[ParkedGroup]:
    """The groups that were put aside, for `hemostat doctor` and the pages."""
    return [
        ParkedGroup(cursor.proc, entry["group"], entry["reason"])
        for cursor in InboxCursor.objects.exclude(parked=[]).order_by("proc")
        for entry in cursor.parked
    ]


def counters(environment: str, *, since: datetime, until: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """Bucket, key and payload of the rows of attribution that begin in [since, until).

    One for each intake process; `intake.rules.tally.Tally.absorb` adds them.
    """
    rows = TokenBucket.objects.filter(environment=environment, bucket__gte=since, bucket__lt=until)
    yield from rows.values_list("bucket", "key", "payload").iterator(chunk_size=2000)


def call_graph(environment: str, *, since: datetime, until: datetime) -> frozenset[tuple[str, str]]:
    """The calls between services (caller, callee) that the traces of the buckets in [since, until) showed."""
    rows = TokenBucket.objects.filter(
        environment=environment, bucket__gte=since, bucket__lt=until, key__startswith=tally_rows.SERVICE
    )
    return frozenset(
        (payload["of"], callee)
        for payload in rows.values_list("payload", flat=True).iterator(chunk_size=500)
        for operation in payload["ops"].values()
        for callee, *_ in operation["callees"]
    )
