"""Bringing the schema to this version, one process at a time."""

from __future__ import annotations

from hemostat.site import database, schema
from hemostat.site.config import config
from hemostat.site.django import django_setup


def migrate() -> int:
    """Apply what is missing, under the advisory lock; returns how many migrations that were.

    Raises `VersionError` when the database is newer than this program. A process killed in between leaves whole
    migrations only: each is one transaction.
    """
    settings = config()
    with schema.connect(database.conninfo(settings), attempts=10, shown=database.shown(settings)) as lock:
        lock.execute("select pg_advisory_lock(%s)", [schema.LOCK_KEY])
        found = schema.difference(lock)
        schema.refuse_newer(found)
        if found.missing:
            django_setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0, interactive=False)
        return len(found.missing)
