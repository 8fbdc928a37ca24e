"""A whole installation in a folder of its own: started, asked, hurt and stopped as a person would do it."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: Callable[[], Any], *, within: float = 90, why: str = "") -> Any:
    """Ask `what` until its answer is true, and return it; fail when it is not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {why or what}")
        time.sleep(0.05)


class Installation:
    """`hemostat up` on ports and a data folder of its own."""

    def __init__(self, data: Path, *, python: str = sys.executable, user: str = "", **settings: str) -> None:
        self.data = data
        self.command = [python, "-m", "hemostat.site.cli"]
        self.as_user: dict[str, Any] = {}
        if user:
            entry = pwd.getpwnam(user)
            self.as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.web_port, self.intake_port = free_port(), free_port()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEMOSTAT_", "DJANGO_", "DATABASE_"))}
        self.env = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "HEMOSTAT_CONFIG": str(data / "none.toml"),
            "HEMOSTAT_DATA_DIR": str(data),
            "HEMOSTAT_WEB_PORT": str(self.web_port),
            "HEMOSTAT_INTAKE_PORT": str(self.intake_port),
            "HEMOSTAT_PUBLIC_URL": f"http://localhost:{self.web_port}",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.with_name(f"{data.name}.log")

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://localhost:{self.web_port}"

    @property
    def intake_url(self) -> str:
        """Where telemetry goes."""
        return f"http://127.0.0.1:{self.intake_port}"

    def run(self, *args: str, within: float = 120, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run one `hemostat` command to its end."""
        return subprocess.run(
            [*self.command, *args], env={**self.env, **env}, capture_output=True, text=True, timeout=within,
            input=typed, check=False, cwd="/", **self.as_user,
        )  # fmt: skip

    def start(self, *args: str) -> None:
        """Start `hemostat up` (or the process named) and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *(args or ("up",))], env=self.env, stdout=log, stderr=subprocess.STDOUT,
                cwd="/", **self.as_user,
            )  # fmt: skip

    def output(self) -> str:
        """What the console shows so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def answers(self, path: str = "/-/ready") -> bool:
        """Whether a page answers with success."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def wait_until_ready(self, within: float = 120) -> None:
        """Return when the whole start is over: the console says so."""

        def ready() -> bool:
            assert self.process is not None
            if (code := self.process.poll()) is not None:
                raise AssertionError(f"hemostat ended with {code}:\n{self.output()}")
            return "Ready. Open" in self.output().rpartition(" starts. Data folder")[2] and self.answers()

        eventually(ready, within=within, why="hemostat up is ready")

    def pid_of(self, part: str) -> int | None:
        """The process id of a part, found among the supervisor's children; None while it is not running."""
        assert self.process is not None
        for line in _children(self.process.pid):
            pid, arguments = line
            if part == "postgres" and arguments[0].endswith("/postgres"):
                return pid
            if arguments[-1] == part and "hemostat.site.cli" in arguments:
                return pid
        return None

    def kill(self, part: str) -> int:
        """`kill -9` a part; returns its process id."""
        pid = eventually(lambda: self.pid_of(part), why=f"{part} runs")
        os.kill(pid, signal.SIGKILL)
        return int(pid)

    def kill_everything(self) -> None:
        """`kill -9` the supervisor itself; what it started must follow by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, sig: int = signal.SIGINT, within: float = 60) -> int:
        """Stop as Ctrl-C does; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(sig)
        return self.process.wait(within)

    def ask(self, path: str, body: object | None = None, *, token: str = "", base: str = "") -> tuple[int, bytes]:
        """Ask the web process (or `base`) over HTTP; returns status and body, status 0 when nothing answers."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{base or self.url}{path}", data=content)
        request.add_header("content-type", "application/json")
        if token:
            request.add_header("authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""


@contextmanager
def running(installation: Installation) -> Iterator[Installation]:
    """Start, wait until ready, and stop in the end whatever happened."""
    installation.start()
    try:
        installation.wait_until_ready()
        yield installation
    except BaseException:
        sys.stderr.write(installation.output()[-6000:])
        raise
    finally:
        if installation.process is not None and installation.process.poll() is None:
            installation.stop()


def _children(pid: int) -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            arguments = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:
            continue
        if int(status[1]) == pid and status[0] != "Z" and arguments:
            yield int(entry.name), [a.decode(errors="replace") for a in arguments]
