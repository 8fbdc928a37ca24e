"""Every process knows, without Django, which migrations this program has, and tells the database's state from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from hemostat.base.failures import UnreachableError, VersionError
from hemostat.site import schema


def test_the_migrations_read_off_the_files_are_those_django_knows() -> None:
    assert schema.known() == set(MigrationLoader(None).disk_migrations)


@pytest.fixture
def conn(postgres: Path, db: None) -> psycopg.Connection:
    """A connection of our own to the database of the tests."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(f"postgresql://postgres@/{name}?host={postgres}") as conn:
        yield conn
        conn.rollback()


def test_a_migrated_database_lacks_nothing(conn: psycopg.Connection) -> None:
    assert schema.difference(conn) == schema.Difference(frozenset(), frozenset())


def test_an_empty_database_lacks_everything(conn: psycopg.Connection) -> None:
    conn.execute("drop table django_migrations")
    assert schema.difference(conn).missing == schema.known()


def test_a_migration_of_ours_that_is_unknown_makes_the_database_newer(conn: psycopg.Connection) -> None:
    conn.execute("insert into django_migrations (app, name, applied) values ('paging', '0042_later', now())")
    found = schema.difference(conn)
    assert found.unknown == {("paging", "0042_later")}
    with pytest.raises(VersionError, match=r"paging\.0042_later.*does not know"):
        schema.refuse_newer(found)


def test_a_left_over_of_a_package_that_is_no_room_is_not_newer(conn: psycopg.Connection) -> None:
    conn.execute("insert into django_migrations (app, name, applied) values ('socialaccount', '0001_initial', now())")
    schema.refuse_newer(schema.difference(conn))


def test_a_server_that_is_too_old_is_refused(postgres: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LEAST_SERVER", 99)
    with pytest.raises(VersionError, match=r"is PostgreSQL 18; Hemostat needs 99 or newer"):
        schema.connect(f"postgresql://postgres@/postgres?host={postgres}")


def test_an_unreachable_server_is_told_without_its_password() -> None:
    with pytest.raises(UnreachableError) as refused:
        schema.connect("postgresql://me:s3cret@127.0.0.1:1/hemostat")
    assert "127.0.0.1:1" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("module", ["hemostat.site.intake", "hemostat.site.cli", "hemostat.site.up"])
def test_the_intake_the_command_and_the_supervisor_start_without_django(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(m == 'django' or m.startswith('django.') for m in sys.modules))"
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "django was imported"
