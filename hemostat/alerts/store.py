"""The statements that write alerts, many rows at a time; over Django's connection."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from django.db import connection

from hemostat.alerts.rules import labels as words
from hemostat.alerts.rules.ledger import Alert

_NEXT_IDS = "select nextval(pg_get_serial_sequence('alerts_alert', 'id')) from generate_series(1, %s)"
_INSERT = """
    insert into alerts_alert (id, source_id, environment, fingerprint, name, labels, annotations, generator_url, level,
                              starts_at, ends_at, ends_by_timeout, last_seen_at, received, resolved_at, fate)
    select i, s, e, f, n, l::jsonb, a::jsonb, u, v, to_timestamp(b), to_timestamp(z), t, to_timestamp(w), r,
           to_timestamp(x), '{}'
      from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[],
                  %s::text[], %s::float8[], %s::float8[], %s::boolean[], %s::float8[], %s::bigint[], %s::float8[])
           as t(i, s, e, f, n, l, a, u, v, b, z, t, w, r, x)"""
_UPDATE = """
    update alerts_alert o
       set annotations = t.a::jsonb, generator_url = t.u, starts_at = to_timestamp(t.b), ends_at = to_timestamp(t.z),
           ends_by_timeout = t.t, last_seen_at = to_timestamp(t.w), received = t.r, resolved_at = to_timestamp(t.x)
      from unnest(%s::bigint[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::boolean[], %s::float8[],
                  %s::bigint[], %s::float8[]) as t(i, a, u, b, z, t, w, r, x)
     where o.id = t.i"""


def insert(alerts: Sequence[Alert]) -> None:
    """Store alerts that are new, and give them their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_IDS, [len(alerts)])
        for alert, (id_,) in zip(alerts, cursor.fetchall(), strict=True):
            alert.id = id_
        cursor.execute(
            _INSERT,
            [
                [a.id for a in alerts],
                [a.source for a in alerts],
                [a.environment for a in alerts],
                [a.fingerprint for a in alerts],
                [words.name(a.labels) for a in alerts],
                [orjson.dumps(a.labels).decode() for a in alerts],
                [orjson.dumps(a.annotations).decode() for a in alerts],
                [a.generator_url for a in alerts],
                [words.level(a.labels).value for a in alerts],
                [a.starts_at for a in alerts],
                [a.ends_at for a in alerts],
                [a.ends_by_timeout for a in alerts],
                [a.last_seen_at for a in alerts],
                [a.received for a in alerts],
                [a.resolved_at for a in alerts],
            ],
        )


def update(alerts: Sequence[Alert]) -> int:
    """Overwrite what can change of stored alerts; returns how many were there."""
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE,
            [
                [a.id for a in alerts],
                [orjson.dumps(a.annotations).decode() for a in alerts],
                [a.generator_url for a in alerts],
                [a.starts_at for a in alerts],
                [a.ends_at for a in alerts],
                [a.ends_by_timeout for a in alerts],
                [a.last_seen_at for a in alerts],
                [a.received for a in alerts],
                [a.resolved_at for a in alerts],
            ],
        )
        return int(cursor.rowcount)


def relax_durability() -> None:
    """Let the present transaction be lost in a crash: only for folding, which is then done again from the inbox."""
    with connection.cursor() as cursor:
        cursor.execute("set local synchronous_commit = off")
