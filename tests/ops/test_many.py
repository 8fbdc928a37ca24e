"""Several of each process over one database of somebody's own: `DATABASE_URL` and nothing else in common."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hemostat.base.failures import Exit
from tests.installation import Installation, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url(postgres: Path) -> Iterator[str]:
    """An empty database on a server that is not ours to start."""
    admin = f"postgresql://postgres@/postgres?host={postgres}"
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("drop database if exists shared with (force)")
        conn.execute("create database shared")
        yield f"postgresql://postgres@/shared?host={postgres}"
        conn.execute("drop database shared with (force)")


def machine(folder: Path, name: str, database_url: str, **settings: str) -> Installation:
    """A machine with a data folder and ports of its own; the key is the same everywhere."""
    return Installation(folder / name, DATABASE_URL=database_url, HEMOSTAT_SECRET_KEY="k" * 50, **settings)


def test_two_of_each_share_one_database(tmp_path: Path, database_url: str) -> None:
    machines = [machine(tmp_path, f"{part}{n}", database_url) for part in ("web", "intake", "engine") for n in (1, 2)]
    web1, web2, intake1, intake2, engine1, engine2 = machines
    try:
        for it in machines:
            it.start(it.data.name[:-1])
        eventually(lambda: "waiting until `hemostat migrate`" in web1.output(), why="they wait for the schema")
        first = web1.run("migrate")
        assert first.returncode == Exit.OK, first.stderr
        again = web2.run("migrate")
        assert again.stdout == "The schema is up to date.\n"
        for it in (web1, web2):
            eventually(it.answers, why=f"{it.data.name} answers")
        for it in (intake1, intake2):
            eventually(lambda it=it: it.ask("/-/ready", base=it.intake_url)[0] == 200, why=f"{it.data.name} answers")
        _one_leads(database_url, engines=2)

        # A session made on one web process is good on the other: nothing is kept in a process.
        added = web1.run(
            "user", "add", "ann@example.org", "--role", "owner", "--password-stdin", typed="correct horse 7\n"
        )
        assert added.returncode == Exit.OK, added.stderr
        token = web1.run("token", "create", "test", "--user", "ann@example.org").stdout
        token = next(word for word in token.split() if word.startswith("hs_"))
        assert web1.ask("/api/v1/me", token=token)[0] == 200
        assert web2.ask("/api/v1/me", token=token)[0] == 200

        # A source made on one machine is known at both doors.
        source = web2.run("source", "add", "prometheus", "--protocol", "alertmanager").stdout
        source = next(word for word in source.split() if word.startswith("hs_"))
        for it in (intake1, intake2):
            alert = [{"labels": {"alertname": "Test", "instance": it.data.name}}]
            eventually(
                lambda it=it, alert=alert: it.ask("/api/v2/alerts", alert, token=source, base=it.intake_url)[0] == 200,
                why="the door knows the source",
            )

        # The leader dies; the other takes over.
        leader = _one_leads(database_url, engines=2)
        dead = engine1 if f":{engine1.process.pid}:" in leader else engine2
        dead.process.send_signal(signal.SIGKILL)
        dead.process.wait()
        eventually(lambda: _leader(database_url) not in {None, leader}, within=30, why="the standby leads")
    except BaseException:
        for it in machines:
            sys.stderr.write(f"--- {it.data.name}\n{it.output()[-1500:]}\n")
        raise
    finally:
        for it in machines:
            if it.process is not None and it.process.poll() is None:
                it.process.terminate()
        codes = [it.process.wait(20) for it in machines if it.process is not None]
    assert sorted(codes) == [-signal.SIGKILL, 0, 0, 0, 0, 0], "each stops in order when told"


def test_migrations_started_on_several_machines_at_once_are_applied_once(tmp_path: Path, database_url: str) -> None:
    machines = [machine(tmp_path, f"m{n}", database_url) for n in range(3)]
    for it in machines:
        it.start("migrate")
    assert [it.process.wait(120) for it in machines if it.process] == [0, 0, 0], [it.output() for it in machines]
    applied = [it.output() for it in machines if "Applied" in it.output()]
    assert len(applied) == 1


def test_up_uses_the_server_that_is_named_and_starts_none(tmp_path: Path, database_url: str) -> None:
    it = machine(tmp_path, "up", database_url)
    it.start()
    try:
        it.wait_until_ready()
        assert not (it.data / "pg").exists()
        assert it.pid_of("postgres") is None
    finally:
        assert it.stop() == 0


def _leader(database_url: str) -> str | None:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select distinct process from base_heartbeat where leads and beat_at > now() - interval '12 seconds'"
        ).fetchall()
    return rows[0][0] if len(rows) == 1 else None


def _one_leads(database_url: str, engines: int) -> str:
    def all_beat() -> bool:
        with psycopg.connect(database_url) as conn:
            row = conn.execute("select count(distinct process) from base_heartbeat").fetchone()
        return row == (engines,)

    eventually(all_beat, why="each engine's heartbeat is there")
    return str(eventually(lambda: _leader(database_url), why="exactly one leads"))
