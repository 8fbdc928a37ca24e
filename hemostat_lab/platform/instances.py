"""The processes of the shop: how each is started, seen to be ready, and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hemostat.site.postgres import Cluster, die_with_parent
from hemostat_lab.layout import Layout, Role
from hemostat_lab.platform import database

READY_WITHIN_S = 40.0
STOP_WITHIN_S = 6.0


class StartError(RuntimeError):
    """A process ended, or did not get ready, when it was started."""


@dataclass
class Instance:
    """One instance of a service. Main thread only: children die with the thread that started them."""

    layout: Layout
    role: Role
    name: str
    release: str
    isolated: bool = False
    draining: bool = False
    """about to be stopped: nobody asks it any more"""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    """monotonic seconds"""
    deaths: int = 0
    """in a row, without having lived for long"""
    starting: bool = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.layout.ports[self.name]

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def state(self) -> str:
        """`starting`, `running` or `stopped`."""
        if self.starting:
            return "starting"
        return "running" if self.running else "stopped"

    async def start(self, release: str) -> None:
        """Start it on `release` and wait until it listens; raises `StartError`."""
        self.starting = True
        try:
            await self._start(release)
        finally:
            self.starting = False

    async def _start(self, release: str) -> None:
        self.release = release
        self.started_at = time.monotonic()
        log = self.layout.folder / "logs" / f"{self.name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "hemostat_lab.shop.process",
                    self.layout.folder,
                    self.role,
                    self.name,
                    release,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only calls prctl
            )
        deadline = self.started_at + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise StartError(f"{self.name} ended with {self.process.returncode}: {_tail(log)}")
            if await _listens(self.port):
                return
            await asyncio.sleep(0.05)
        raise StartError(f"{self.name} was not ready within {READY_WITHIN_S:.0f} s: {_tail(log)}")

    async def stop(self) -> None:
        """Let it finish what it has in hand, then end it."""
        await _end(self.process, signal.SIGTERM, STOP_WITHIN_S)
        self.process = None


@dataclass
class StoreProcess:
    """The store's server. The platform starts it when asked, and never by itself."""

    layout: Layout
    name: str
    process: subprocess.Popen[bytes] | None = None
    cluster: Cluster = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = database.cluster(self.layout)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.layout.ports[self.name]

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Start it, and make what the shop needs in it; raises `StartError`."""
        await asyncio.to_thread(database.prepare, self.cluster)
        await asyncio.to_thread(self.cluster.clear_leftovers)
        log = self.layout.folder / "logs" / f"{self.name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                self.cluster.argv(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self.cluster.popen_options(),
            )
        self.process = process
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.cluster.is_ready(process.pid):
            if process.poll() is not None:
                raise StartError(f"{self.name} ended with {process.returncode}: {_tail(log)}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {READY_WITHIN_S:.0f} s: {_tail(log)}")
            await asyncio.sleep(0.05)
        await asyncio.to_thread(database.make_shop, self.cluster, self.layout)

    async def stop(self) -> None:
        """Shut it down, connections and all."""
        await _end(self.process, signal.SIGINT, 4 * STOP_WITHIN_S)
        self.process = None


async def _end(process: subprocess.Popen[bytes] | None, sig: int, grace_s: float) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(sig)
    deadline = time.monotonic() + grace_s
    while process.poll() is None and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
