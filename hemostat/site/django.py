"""Bringing Django up in a process, once, and knowing what kind of process it is."""

from __future__ import annotations

import os
from typing import Literal

from hemostat.base.failures import StorageError
from hemostat.site import database
from hemostat.site.config import config

Process = Literal["web", "engine", "command"]


def django_setup(process: Process = "command") -> None:
    """Make models, actions and queries usable. `process` decides how connections are kept (`database`)."""
    os.environ["HEMOSTAT_PROCESS"] = process
    os.environ["DJANGO_SETTINGS_MODULE"] = "hemostat.site.settings"
    import django

    django.setup()


def require_database() -> None:
    """Fail with a plain error when the database does not answer, is too old, or is not at this program's schema."""
    from hemostat.site import schema

    settings = config()
    with schema.connect(database.conninfo(settings), shown=database.shown(settings)) as conn:
        found = schema.difference(conn)
    schema.refuse_newer(found)
    if found.missing:
        raise StorageError(
            f"The database lacks {len(found.missing)} migrations of this version.", "Run `hemostat migrate` first."
        )
