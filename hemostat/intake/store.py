"""The statements of the intake process, which runs without Django; a test holds them against the models.

Everything that one commit group writes goes through these, prepared once a connection, with whole columns as arrays.
Rows of buckets are overwritten, never added to, so that a group written twice does no harm.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple


class Statement(NamedTuple):
    """A statement and the name it is prepared under."""

    name: str
    sql: str


INBOX = Statement(
    "inbox",
    """with cursor as (insert into intake_inboxcursor (proc, position, parked) values ($1::bigint, 0, '[]')
                       on conflict do nothing)
       insert into intake_inboxgroup (proc, slot, received_at, codec, count, body)
       values ($1::bigint, $2::smallint, to_timestamp($3::float8), $4::smallint, $5::integer, $6::bytea)
       returning id""",
)

SPANS = Statement(
    "spans",
    """insert into intake_spanbucket (bucket, proc, environment, app_id, entry, peer, requests, failed, business_errors,
                                      duration_ms, histogram, users, failed_users)
       select to_timestamp(b), p, e, a, n, c, r, f, x, d, h, u, fu
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::float8[], $11::bytea[], $12::bytea[], $13::bytea[])
              as t(b, p, e, a, n, c, r, f, x, d, h, u, fu)
       on conflict (bucket, environment, app_id, entry, peer, proc) do update
          set requests = excluded.requests, failed = excluded.failed, business_errors = excluded.business_errors,
              duration_ms = excluded.duration_ms, histogram = excluded.histogram, users = excluded.users,
              failed_users = excluded.failed_users""",
)

EXCEPTIONS = Statement(
    "exceptions",
    """insert into intake_exceptionbucket (bucket, proc, environment, link, exception, count, first_at, last_at)
       select to_timestamp(b), p, e, l, x, c, to_timestamp(f), to_timestamp(z)
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[],
                     $8::float8[]) as t(b, p, e, l, x, c, f, z)
       on conflict (bucket, environment, link, exception, proc) do update
          set count = excluded.count, first_at = excluded.first_at, last_at = excluded.last_at""",
)

FAILING_SPANS = Statement(
    "failing_spans",
    """insert into intake_failingspan (trace_id, span_id, parent_id, environment, app_id, operation, at, exception,
                                       link, sample)
       select t, s, p, e, a, o, to_timestamp(w), x, l, m::jsonb
         from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::float8[],
                     $8::text[], $9::text[], $10::text[]) as t(t, s, p, e, a, o, w, x, l, m)
       on conflict (trace_id, span_id) do update set exception = excluded.exception, link = excluded.link""",
)

TOKENS = Statement(
    "tokens",
    """insert into intake_tokenbucket (bucket, environment, key, proc, payload)
       select to_timestamp(b), e, k, p, j::jsonb
         from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[]) as t(b, e, k, p, j)
       on conflict (bucket, environment, key, proc) do update set payload = excluded.payload""",
)

SYSTEMS = Statement(
    "systems",
    """insert into coordinates_systemcoordinate (code, app_id, entry, first_seen_at)
       select c, a, e, to_timestamp($4::float8) from unnest($1::text[], $2::text[], $3::text[]) as t(c, a, e)
       on conflict do nothing""",
)

LINKS = Statement(
    "links",
    """insert into coordinates_linkcoordinate (code, path, partial, first_seen_at)
       select c, p::jsonb, q, to_timestamp($4::float8)
         from unnest($1::text[], $2::text[], $3::boolean[]) as t(c, p, q)
       on conflict do nothing""",
)

EXCEPTION_KINDS = Statement(
    "exception_kinds",
    """insert into coordinates_exceptioncoordinate (code, system, exception_class, error_code, peer, meaning, owner,
                                                    first_seen_at)
       select c, s, k, e, p, '', '', to_timestamp($6::float8)
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as t(c, s, k, e, p)
       on conflict do nothing""",
)

BODIES = Statement(
    "bodies",
    """insert into intake_acceptedbody (slot, digest, at)
       select $1::smallint, d, to_timestamp($3::float8) from unnest($2::bytea[]) as t(d)
       on conflict do nothing""",
)

ALERT_STATEMENTS = (INBOX,)
TELEMETRY_STATEMENTS = (
    SYSTEMS, LINKS, EXCEPTION_KINDS, SPANS, EXCEPTIONS, FAILING_SPANS, TOKENS, BODIES,
)  # fmt: skip

# Statements of the housekeeping connection, with psycopg's placeholders.
CURSOR = """select position from intake_inboxcursor where proc = %s"""
SOURCES = """
    select s.digest, s.id, s.slug, s.protocol, e.slug
      from intake_source s join catalog_environment e on e.id = s.environment_id
     where s.revoked_at is null"""
COUNTS = """
    update intake_source
       set accepted = accepted + %(accepted)s, refused = refused + %(refused)s,
           last_seen_at = greatest(last_seen_at, %(seen)s),
           last_refusal = case when %(refusal)s <> '' then %(refusal)s else last_refusal end
     where id = %(id)s"""
RECENT_BODIES = """select digest, at from intake_acceptedbody where at > %s"""
SAMPLES_OF_TODAY = """
    select exception, count(*) from intake_failingspan where at >= %s group by exception"""

# Statements of the engine, over Django's connection.
INBOX_AFTER = """
    select g.proc, g.id, g.received_at, g.codec, g.body
      from unnest(%s::bigint[], %s::bigint[]) as p(proc, position)
     cross join lateral (select * from intake_inboxgroup
                          where proc = p.proc and id > p.position order by id limit %s) g
     order by g.proc, g.id"""
MOVE_CURSORS = """
    update intake_inboxcursor c set position = m.after, parked = c.parked || m.parked::jsonb
      from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[]) as m(proc, before, after, parked)
     where c.proc = m.proc and c.position = m.before"""


@dataclass(frozen=True, slots=True)
class Ring:
    """A table cut into slots by time of receipt: slots that are too old are truncated before they are used again."""

    table: str
    slots: int
    seconds: int
    """how long one slot is written to"""

    def slot(self, at: float) -> int:
        """The slot of a moment (Unix seconds)."""
        return int(at // self.seconds) % self.slots

    def spare(self, now: datetime, keep: timedelta) -> list[int]:
        """The slots that hold nothing younger than `keep`, and are not about to be written to."""
        present = int(now.timestamp() // self.seconds)
        oldest = int((now - keep).timestamp() // self.seconds)
        used = {n % self.slots for n in range(oldest, present + 2)}
        return [slot for slot in range(self.slots) if slot not in used]

    def partition(self, slot: int) -> str:
        """The table of one slot."""
        return f"{self.table}_{slot}"


INBOX_RING = Ring("intake_inboxgroup", slots=8, seconds=6 * 3600)
"""Raw alerts: kept a day, up to six hours longer."""
BODY_RING = Ring("intake_acceptedbody", slots=8, seconds=300)
"""Hashes of bodies: kept a quarter of an hour, up to five minutes longer."""


class Oid(IntEnum):
    """PostgreSQL's types of array elements."""

    BOOL = 16
    BYTEA = 17
    INT8 = 20
    TEXT = 25
    FLOAT8 = 701


_array_head = struct.Struct("!iiIii").pack
_size = struct.Struct("!i").pack
_int8 = struct.Struct("!q").pack
_float8 = struct.Struct("!d").pack


def _array(oid: Oid, items: Sequence[bytes]) -> bytes:
    parts = [_array_head(1, 0, oid, len(items), 1)] if items else [struct.pack("!iiI", 0, 0, oid)]
    for item in items:
        parts.append(_size(len(item)))
        parts.append(item)
    return b"".join(parts)


def int8s(values: Iterable[int]) -> bytes:
    """A bigint[] in PostgreSQL's binary form."""
    return _array(Oid.INT8, [_int8(v) for v in values])


def float8s(values: Iterable[float]) -> bytes:
    """A float8[] in PostgreSQL's binary form."""
    return _array(Oid.FLOAT8, [_float8(v) for v in values])


def texts(values: Iterable[str]) -> bytes:
    """A text[] in PostgreSQL's binary form."""
    return _array(Oid.TEXT, [v.encode() for v in values])


def byteas(values: Iterable[bytes]) -> bytes:
    """A bytea[] in PostgreSQL's binary form."""
    return _array(Oid.BYTEA, list(values))


def bools(values: Iterable[bool]) -> bytes:
    """A boolean[] in PostgreSQL's binary form."""
    return _array(Oid.BOOL, [b"\x01" if v else b"\x00" for v in values])


def int8(value: int) -> bytes:
    """A bigint in PostgreSQL's binary form."""
    return _int8(value)


def int4(value: int) -> bytes:
    """An integer in PostgreSQL's binary form."""
    return struct.pack("!i", value)


def int2(value: int) -> bytes:
    """A smallint in PostgreSQL's binary form."""
    return struct.pack("!h", value)


def float8(value: float) -> bytes:
    """A float8 in PostgreSQL's binary form."""
    return _float8(value)
