"""Housekeeping of the door, run by the engine's leader: retention, and services that telemetry named."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from psycopg import sql

from hemostat.catalog.actions import discover_service, ensure_environment
from hemostat.catalog.models import Environment, Service
from hemostat.coordinates.models import SystemCoordinate
from hemostat.intake.models import SpanBucket
from hemostat.intake.rules.buckets import OTHER
from hemostat.intake.store import BODY_RING, INBOX_RING, Ring

KEEP_INBOX = timedelta(hours=24)
KEEP_BODIES = timedelta(minutes=15)
KEEP_BUCKETS = timedelta(hours=2)
KEEP_SAMPLES = timedelta(days=30)
SAMPLES_A_DAY = 20
"""Failing spans kept of one exception coordinate and day: the newest."""
BATCH = 5_000
LOCK_TIMEOUT = "2s"

_HOLDS_ANY = sql.SQL("select exists (select 1 from {partition})")
_UNFOLDED = sql.SQL("""
    select exists (select 1 from {partition} g left join intake_inboxcursor c on c.proc = g.proc
                    where g.id > coalesce(c.position, 0))""")
_OLD_BUCKETS = sql.SQL("""
    delete from {table} where ctid = any (array(select ctid from {table} where bucket < %s limit %s))""")
_OLD_SAMPLES = """
    delete from intake_failingspan
     where ctid = any (array(select ctid from intake_failingspan where at < %s limit %s))"""
_SPARE_SAMPLES = """
    delete from intake_failingspan
     where ctid = any (array(
        select ctid from (
            select ctid, row_number() over (partition by environment, exception, (at at time zone 'UTC')::date
                                            order by at desc) as place
              from intake_failingspan where at >= %s) ranked
         where place > %s limit %s))"""
_DEAD_CURSORS = """
    delete from intake_inboxcursor c
     where c.position > 0 and c.parked = '[]'
       and not exists (select 1 from intake_inboxgroup g where g.proc = c.proc)"""


def work(now: datetime) -> int:
    """Do what is due; returns how many rows or slots were dropped and services named. Called every minute."""
    return drop_old(now) + discover()


def drop_old(now: datetime) -> int:
    """Drop what is kept no longer: slots of the rings whole, buckets and samples in batches."""
    dropped: int = _truncate(BODY_RING, now, KEEP_BODIES) + _truncate(INBOX_RING, now, KEEP_INBOX)
    with connection.cursor() as cursor:
        for table in ("intake_spanbucket", "intake_exceptionbucket", "intake_tokenbucket"):
            cursor.execute(_OLD_BUCKETS.format(table=sql.Identifier(table)), [now - KEEP_BUCKETS, BATCH])
            dropped += cursor.rowcount
        cursor.execute(_OLD_SAMPLES, [now - KEEP_SAMPLES, BATCH])
        dropped += cursor.rowcount
        cursor.execute(_SPARE_SAMPLES, [now - timedelta(days=1), SAMPLES_A_DAY, BATCH])
        dropped += cursor.rowcount
        cursor.execute(_DEAD_CURSORS)
    return dropped


def _truncate(ring: Ring, now: datetime, keep: timedelta) -> int:
    """Empty the slots that hold nothing young enough; alerts that were not folded yet are left, however old."""
    emptied = 0
    for slot in ring.spare(now, keep):
        partition = ring.partition(slot)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_HOLDS_ANY.format(partition=sql.Identifier(partition)))
            if not cursor.fetchone()[0]:
                continue
            if ring is INBOX_RING:
                cursor.execute(_UNFOLDED.format(partition=sql.Identifier(partition)))
                if cursor.fetchone()[0]:
                    continue
            cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            cursor.execute(sql.SQL("truncate {}").format(sql.Identifier(partition)))
            emptied += 1
    return emptied


def discover() -> int:
    """Name the services and environments that telemetry spoke of and the catalog does not know; returns how many.

    An environment that only telemetry knows does not page until somebody says that it should.
    """
    found = 0
    known = Service.objects.values("app_id")
    for app_id in (
        SystemCoordinate.objects.exclude(app_id__in=known)
        .exclude(app_id=OTHER)
        .values_list("app_id", flat=True)
        .distinct()
    ):
        discover_service(app_id)
        found += 1
    environments = set(SpanBucket.objects.values_list("environment", flat=True).distinct())
    for slug in environments - set(Environment.objects.values_list("slug", flat=True)):
        ensure_environment(slug, paging=False)
        found += 1
    return found
