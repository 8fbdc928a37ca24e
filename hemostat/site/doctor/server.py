"""The doctor's look at the database server: reachable, new enough, at our schema, its clock."""

from __future__ import annotations

from collections.abc import Iterator

from hemostat.base.failures import HemostatError
from hemostat.site import clocksync, database, schema
from hemostat.site.config import Config
from hemostat.site.doctor.findings import Finding, fine, note, wrong

FAR_S = 5.0
"""A difference of clocks, seconds, beyond which people would be confused by log lines."""


def examine(settings: Config) -> Iterator[Finding]:
    """Each thing that the server must be."""
    shown = database.shown(settings)
    try:
        conn = schema.connect(database.conninfo(settings), shown=shown)
    except HemostatError as error:
        yield wrong("database", error.what, error.do, blocks=True)
        return
    with conn:
        version = conn.info.server_version
        yield fine("database", f"PostgreSQL {version // 10_000}.{version % 10_000}, {shown}")
        found = schema.difference(conn)
        try:
            schema.refuse_newer(found)
        except HemostatError as error:
            yield wrong("schema", error.what, error.do, blocks=True)
            return
        if found.missing:
            yield wrong(
                "schema", f"{len(found.missing)} migrations are missing", "Run `hemostat migrate`.", blocks=True
            )
            return
        yield fine("schema", "up to date")
        offset = clocksync.measure(conn).offset.total_seconds()
        if abs(offset) > FAR_S:
            yield note(
                "clock",
                f"this machine's differs by {offset:+.1f} s from the database's; Hemostat goes by the latter",
                "Let both machines keep their time by NTP.",
            )
        else:
            yield fine("clock", f"{offset:+.3f} s from the database's")
