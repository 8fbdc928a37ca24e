"""A lab held in the hand: started, broken, asked, healed, stopped. For the command line, tests and bench."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from hemostat.site.postgres import die_with_parent
from hemostat_lab import injector, traffic
from hemostat_lab.layout import Layout, Role, Telemetry
from hemostat_lab.traffic import Report

UP_WITHIN_S = 90.0
STOP_WITHIN_S = 30.0
PATIENCE_S = 90.0
"""An operation answers when it is done; both instances of a service start one after the other."""


class OperationError(RuntimeError):
    """The platform refused or failed; the message is its own."""


class Operations:
    """The platform's operations door, as an operator or a plan uses it."""

    def __init__(self, layout: Layout) -> None:
        self._url = layout.operations_url
        self._headers = {"authorization": f"Bearer {layout.operations_token_file.read_text()}"}

    def status(self) -> dict[str, Any]:
        """What runs where."""
        status: dict[str, Any] = self._asked("GET", "/status")
        return status

    def restart(self, service: str) -> list[str]:
        """Restart a service or the store; what was done, in sentences."""
        return self._done(f"/services/{service}/restart")

    def roll_back(self, service: str) -> list[str]:
        """Start the former release."""
        return self._done(f"/services/{service}/rollback")

    def isolate(self, instance: str) -> list[str]:
        """Take an instance out of rotation."""
        return self._done(f"/instances/{instance}/isolate")

    def restore(self, instance: str) -> list[str]:
        """Put it back."""
        return self._done(f"/instances/{instance}/restore")

    def _done(self, path: str) -> list[str]:
        lines: list[str] = self._asked("POST", path)["done"]
        return lines

    def _asked(self, method: str, path: str) -> Any:
        try:
            answer = httpx.request(method, self._url + path, headers=self._headers, timeout=PATIENCE_S)
        except httpx.HTTPError as error:
            raise OperationError(f"the platform does not answer: {error}") from error
        if not answer.is_success:
            raise OperationError(answer.json()["error"])
        return answer.json()


class Lab:
    """The platform and the traffic as child processes of this one."""

    def __init__(
        self,
        folder: Path,
        *,
        telemetry: Telemetry,
        names: Mapping[Role, str] | None = None,
        rate: float = traffic.RATE,
    ) -> None:
        self.layout = Layout.open(folder, names=names, telemetry=telemetry)
        self._rate = rate
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the shop and its users; returns when the shop is up. Call it from the main thread."""
        platform = self._spawn("hemostat_lab.platform.process")
        wait_until_up(self.layout, platform)
        self._spawn("hemostat_lab.traffic", str(self._rate))

    def stop(self) -> None:
        """Stop users first, then the shop."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def __enter__(self) -> Lab:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def operations(self) -> Operations:
        """What an operator may ask for."""
        return Operations(self.layout)

    def fault(self, name: str) -> None:
        """Break something; `injector.FAULTS` says what there is."""
        injector.FAULTS[name](self.layout)

    def traffic(self) -> Report:
        """What users meet at the moment (`traffic.Tally.report`)."""
        return read_traffic(self.layout)

    def pids(self) -> dict[str, int]:
        """The processes that this one started."""
        return {str(p.args[2]): p.pid for p in self._processes}  # type: ignore[index]

    def _spawn(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self.layout.folder / "logs" / f"{module}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(self.layout.folder), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only calls prctl
            )
        self._processes.append(process)
        return process


def wait_until_up(layout: Layout, platform: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for the shop; raises `OperationError` when its platform ends, or time is over."""
    deadline = time.monotonic() + UP_WITHIN_S
    while not layout.ready_file.exists():
        if platform is not None and platform.poll() is not None:
            log = layout.folder / "logs" / "hemostat_lab.platform.process.log"
            raise OperationError(f"the platform ended with {platform.returncode}: {log.read_text()[-500:]}")
        if time.monotonic() > deadline:
            raise OperationError(f"the shop was not up within {UP_WITHIN_S:.0f} s")
        time.sleep(0.1)


def read_traffic(layout: Layout) -> Report:
    """What users meet at the moment; raises `FileNotFoundError` before the first second."""
    report: Report = json.loads((layout.folder / "traffic.json").read_text())
    return report


def heal(layout: Layout) -> list[str]:
    """What an operator would do by hand: start a stopped store, roll back what was released."""
    operations = Operations(layout)
    status = operations.status()
    done = []
    if not status["store"]["running"]:
        done += operations.restart(status["store"]["name"])
    for name, service in status["services"].items():
        if service["former_release"]:
            done += operations.roll_back(name)
    return done
