"""The schema's version: which migrations this program knows, and which the database has. Free of Django.

The version is the set of applied migrations. `hemostat migrate` (or `up`) applies them under an advisory lock;
every other process waits until its own are all there, and refuses a database that has ones it does not know.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from hemostat.base.failures import HemostatError, UnreachableError, VersionError

Migration = tuple[str, str]
"""Label of the app, name of the migration."""

LOCK_KEY = 4_716_320_001
"""Advisory lock (session): exclusive while migrating, shared while looking."""

LEAST_SERVER = 15

OUTSIDE_APPS: dict[str, tuple[str, str]] = {
    "auth": ("django", "contrib/auth"),
    "contenttypes": ("django", "contrib/contenttypes"),
    "sessions": ("django", "contrib/sessions"),
    "account": ("allauth", "account"),
    "mfa": ("allauth", "mfa"),
}
"""Installed apps that are not rooms and have migrations: label → package and folder; a test compares with Django."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the database lacks, and what it has that this program does not know."""

    missing: frozenset[Migration]
    unknown: frozenset[Migration]


def known() -> frozenset[Migration]:
    """The migrations of this program, read off its files."""
    package = Path(__file__).parents[1]
    folders = {room.parent.name: room for room in package.glob("*/migrations")}
    for label, (top, below) in OUTSIDE_APPS.items():
        spec = importlib.util.find_spec(top)
        if spec is None or spec.origin is None:
            raise HemostatError(f"The package {top} is not installed.", "Install Hemostat again.")
        folders[label] = Path(spec.origin).parent / below / "migrations"
    return frozenset(
        (label, file.stem)
        for label, folder in folders.items()
        for file in folder.glob("*.py")
        if not file.stem.startswith("_")
    )


def difference(conn: psycopg.Connection) -> Difference:
    """Compare what `conn`'s database has with what this program knows."""
    if conn.execute("select to_regclass('django_migrations')").fetchone() == (None,):
        return Difference(missing=known(), unknown=frozenset())
    applied = frozenset(conn.execute("select app, name from django_migrations").fetchall())
    ours = known()
    rooms = {app for app, _ in ours} - OUTSIDE_APPS.keys()
    return Difference(missing=ours - applied, unknown=frozenset((a, n) for a, n in applied - ours if a in rooms))


def connect(conninfo: str, *, attempts: int = 1, shown: str = "") -> psycopg.Connection:
    """Connect (autocommit), trying `attempts` times a second apart.

    Raises `UnreachableError` when nothing answers or the log-in fails, `VersionError` below PostgreSQL 15.
    """
    where = shown or _where(conninfo)
    for left in reversed(range(attempts)):
        try:
            conn = psycopg.connect(conninfo, autocommit=True, connect_timeout=5)
            break
        except psycopg.OperationalError as error:
            if left:
                time.sleep(1)
                continue
            raise UnreachableError(
                f"The database ({where}) cannot be reached: {_reason(error)}",
                "Check DATABASE_URL and that the server runs and lets this machine in."
                if "@/" not in conninfo
                else "It is the embedded one: `hemostat up` must be running, with the same data folder.",
            ) from error
    version = conn.info.server_version
    if version < LEAST_SERVER * 10_000:
        conn.close()
        raise VersionError(
            f"The database server ({where}) is PostgreSQL {version // 10_000}; Hemostat needs {LEAST_SERVER} or newer.",
            "Upgrade the server, or leave DATABASE_URL empty to use the embedded one.",
        )
    return conn


def refuse_newer(found: Difference) -> None:
    """Raise `VersionError` when the database is ahead of this program."""
    if found.unknown:
        names = ", ".join(f"{app}.{name}" for app, name in sorted(found.unknown)[:3])
        raise VersionError(
            f"The database is newer than this program: it has {names}, which this version does not know.",
            "Start the version of Hemostat that made it, or a newer one. Nothing was changed.",
        )


def wait_until_current(
    conninfo: str, *, shown: str = "", tell: Callable[[str], None], stopped: Callable[[], bool] = lambda: False
) -> None:
    """Return when the database has this program's schema; says by `tell` what it waits for.

    The shared lock makes sure that no migration is still under way. Raises as `connect` and `refuse_newer` do.
    """
    told = False
    with connect(conninfo, attempts=30, shown=shown) as conn:
        while not stopped():
            conn.execute("select pg_advisory_lock_shared(%s)", [LOCK_KEY])
            try:
                found = difference(conn)
            finally:
                conn.execute("select pg_advisory_unlock_shared(%s)", [LOCK_KEY])
            refuse_newer(found)
            if not found.missing:
                return
            if not told:
                tell(
                    f"The database lacks {len(found.missing)} migrations of this version; waiting until "
                    "`hemostat migrate` (or `hemostat up`) has applied them."
                )
                told = True
            time.sleep(0.5)


def ensure_database(maintenance: str, name: str) -> None:
    """Make the database `name` if it is not there; `maintenance` is the conninfo of one that always is."""
    with connect(maintenance, attempts=10) as conn:
        if conn.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _where(conninfo: str) -> str:
    url = urlsplit(conninfo)
    return f"{url.hostname or 'local socket'}{f':{url.port}' if url.port else ''}"


def _reason(error: psycopg.OperationalError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
