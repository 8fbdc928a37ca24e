"""`hemostat up`: everything on this machine, from an empty folder to the first page, and kept running.

PostgreSQL (unless `DATABASE_URL` names a server), then the schema, then web, intake and engine. What a program
around it needs besides (the demonstration's lab and mailbox) comes in through `extra`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from hemostat import __version__
from hemostat.base.failures import Exit, HemostatError, InUseError, StorageError
from hemostat.site import database, keys, schema
from hemostat.site.config import Config, config
from hemostat.site.listen import is_served, take_port
from hemostat.site.placement import place
from hemostat.site.postgres import Cluster, check_space
from hemostat.site.supervisor import Part, Step, Supervisor

Extra = Callable[[], Sequence[Part]]
"""Called once, in a thread, when everything answers: sets up what it likes (the database and Django are usable)
and returns further parts to run. They are started last, stopped first, and restarted like the others."""

LOG_LIMIT = 20 * 1024 * 1024


def say(name: str, line: str) -> None:
    """Print what a part, or `hemostat` itself, has to say."""
    for piece in line.splitlines() or [""]:
        sys.stdout.write(f"{name:<9}| {piece}\n")
    sys.stdout.flush()


def up(*, extra: Extra | None = None, announce: Callable[[], None] | None = None) -> int:
    """Run the installation until told to stop; returns the exit code.

    `announce` replaces the closing lines that tell the address. Raises `HemostatError` where it cannot start.
    """
    settings = config()
    say("hemostat", f"Hemostat {__version__} starts. Data folder: {Path(settings.data_dir).resolve()}")
    with _exclusive(settings):
        for port, setting in ((settings.web_port, "web_port"), (settings.intake_port, "intake_port")):
            _wait_until_free(settings.host, port)
            take_port(settings.host, port, setting=setting).close()
        keys.signing_keys(settings)
        supervisor = Supervisor(say)
        steps: list[Step] = []
        if not settings.database_url:
            steps.append([_postgres(settings)])
        steps.append(_schema_then_processes(settings))
        steps.append(_extra(extra, announce or (lambda: tell_address(settings))))
        began = time.monotonic()
        code = asyncio.run(supervisor.run(steps))
        say("hemostat", f"Stopped after {time.monotonic() - began:.0f} s. Everything is kept.")
        return code


class _exclusive:  # noqa: N801 - used as a function
    """Holds the data folder for one `up` at a time; makes it when it is not there."""

    def __init__(self, settings: Config) -> None:
        self._folder = Path(settings.data_dir).resolve()
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        advice = "Make it writable, or choose another folder with HEMOSTAT_DATA_DIR."
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / "up.lock").open("a+")
        except OSError as error:
            raise StorageError(
                f"The data folder {self._folder} cannot be written: {error.strerror}.", advice
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise InUseError(
                f"Hemostat is already running on the data folder {self._folder} (process {holder}).",
                "Stop it first, or choose another folder with HEMOSTAT_DATA_DIR.",
            ) from error
        check_space(self._folder)
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _wait_until_free(host: str, port: int) -> None:
    # The processes of a killed start may be finishing: they are told by the kernel, and take a moment.
    deadline = time.monotonic() + 3
    while is_served(host, port) and time.monotonic() < deadline:
        time.sleep(0.1)


def _postgres(settings: Config) -> Part:
    placement = place(Path(settings.data_dir).resolve())
    for note in placement.notes:
        say("hemostat", note)
    cluster = Cluster(placement.cluster, placement.sockets)
    if not (cluster.folder / "PG_VERSION").exists():
        say("hemostat", "Making the database (PostgreSQL, embedded). This takes a moment, once.")
    log = ServerLog(Path(settings.data_dir) / "logs" / "postgres.log", placement.home)

    def before() -> None:
        cluster.prepare()
        cluster.clear_leftovers()

    return Part(
        name="postgres",
        argv=cluster.argv(),
        before=before,
        is_ready=cluster.is_ready,
        stop_signal=signal.SIGINT,
        kill_signal=signal.SIGQUIT,
        grace_s=60,
        popen=cluster.popen_options(),
        show=log.take,
    )


class ServerLog:
    """Keeps the server's whole log in a file and shows the console what a person should see."""

    def __init__(self, file: Path, disk: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > LOG_LIMIT:
            file.replace(file.with_suffix(".1.log"))
        self._path = file
        self._disk = disk
        self._file = file.open("a")
        self._told_full_at = -1e9

    def take(self, line: str) -> str | None:
        """Store `line`; return what to show of it, None for nothing."""
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError:
            pass  # a full disk must not stop the reading of the log that says so
        if "No space left on device" in line and time.monotonic() - self._told_full_at > 60:
            self._told_full_at = time.monotonic()
            free = shutil.disk_usage(self._disk).free // (1024 * 1024)
            return (
                f"The disk of {self._disk} is full ({free} MB free): nothing new can be stored, and senders are told "
                "so. What is stored is kept. Make room; it goes on by itself."
            )
        severity = next((word for word in ("PANIC:", "FATAL:", "WARNING:") if word in line), None)
        starting = ("starting up", "shutting down", "terminating connection due to administrator")
        return line if severity and not any(word in line for word in starting) else None


def _schema_then_processes(settings: Config) -> Step:
    async def step(supervisor: Supervisor) -> Sequence[Part]:
        await supervisor.in_thread(_bring_schema, settings)
        needs = () if settings.database_url else ("postgres",)
        return [process(name, needs) for name in ("web", "intake", "engine")]

    return step


def _bring_schema(settings: Config) -> None:
    if not settings.database_url:
        schema.ensure_database(database.conninfo(settings, "postgres"), "hemostat")
    shown = database.shown(settings)
    with schema.connect(database.conninfo(settings), attempts=10, shown=shown) as conn:
        found = schema.difference(conn)
    schema.refuse_newer(found)
    if found.missing:
        say("hemostat", f"Bringing the database's schema up to date ({len(found.missing)} migrations).")
        done = subprocess.run(command("migrate", "--quiet"), check=False)
        if done.returncode:
            raise HemostatError("The schema could not be brought up to date; the reason stands above.")


def command(*args: str) -> list[str]:
    """The command line of `hemostat …` in this very Python."""
    return [sys.executable, "-m", "hemostat.site.cli", *args]


def process(name: str, needs: Sequence[str] = ()) -> Part:
    """The part that runs `hemostat NAME`."""
    return Part(name=name, argv=command(name), needs=needs, env={"PYTHONUNBUFFERED": "1"})


def _extra(extra: Extra | None, announce: Callable[[], None]) -> Step:
    async def step(supervisor: Supervisor) -> Sequence[Part]:
        parts = await supervisor.in_thread(extra) if extra else []
        await supervisor.in_thread(announce)
        return list(parts)

    return step


def tell_address(settings: Config) -> None:
    """Print where the pages are and, while nobody has an account, the one-time code of the first run."""
    say("hemostat", f"Ready. Open {settings.public_url}")
    say("hemostat", f"Telemetry (OTLP/HTTP) goes to http://{_host(settings)}:{settings.intake_port}")
    with schema.connect(database.conninfo(settings)) as conn:
        row = conn.execute("select exists (select from people_user)").fetchone()
    if row == (False,):
        made = subprocess.run(command("setup-code"), check=False, capture_output=True, text=True)
        if made.returncode:
            raise HemostatError(f"No code for the first run could be made: {made.stderr.strip()}")
        say("hemostat", "Nobody has an account yet. The page asks for this one-time code:")
        say("hemostat", f"    {made.stdout.strip()}")
    say("hemostat", "Ctrl-C stops everything; what is stored is kept.")


def _host(settings: Config) -> str:
    return "localhost" if settings.host in {"127.0.0.1", "0.0.0.0", "::1", "::"} else settings.host  # noqa: S104


__all__ = ["Exit", "Extra", "Part", "command", "process", "say", "tell_address", "up"]
