"""A door as it runs in production: its own process, a real port, the session's PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.db import connection

from hemostat.events.rules import CONSOLE
from hemostat.intake import actions


def conninfo() -> str:
    """The test database as a libpq URL."""
    settings = connection.settings_dict
    return f"postgresql://postgres@/{settings['NAME']}?host={settings['HOST']}"


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so; fail the test when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about in time")


@dataclass
class RunningDoor:
    """`hemostat intake` on a port."""

    process: subprocess.Popen[bytes]
    url: str

    def client(self, token: str = "") -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def knows(self, token: str, path: str, empty: bytes) -> bool:
        """Whether the token is one of a source by now: it may send nothing."""
        with self.client(token) as client:
            headers = {"content-type": "application/x-protobuf"}
            return client.post(path, content=empty, headers=headers).status_code == 200

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(20)


def start_door(database_url: str, tmp_path: Path) -> RunningDoor:
    """Start the intake process and wait until it takes things in."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "HEMOSTAT_INTAKE_PORT": str(port),
        "HEMOSTAT_DATA_DIR": str(tmp_path),
        "HEMOSTAT_SECRET_KEY": "a key for tests, long enough to be one",
    }
    log = (tmp_path / "door.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "hemostat.site.cli", "intake"],
        env=environment,
        stdout=log,
        stderr=log,
        cwd=Path(__file__).parents[2],
    )
    log.close()
    door = RunningDoor(process, f"http://127.0.0.1:{port}")
    try:
        wait_for(door.is_ready, 90)
    except AssertionError:
        door.stop(signal.SIGKILL)
        raise AssertionError((tmp_path / "door.log").read_text()) from None
    return door


@pytest.fixture(scope="session")
def _shared_door(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    running = start_door(conninfo(), tmp_path_factory.mktemp("door"))
    yield running
    running.stop()


@pytest.fixture
def door(_shared_door: RunningDoor, transactional_db: None) -> RunningDoor:
    """One door for all tests that leave it running."""
    return _shared_door


@pytest.fixture
def otlp_token(door: RunningDoor) -> str:
    token = actions.add_source(name="shop", protocol="otlp", environment_slug="production", actor=CONSOLE)[1]
    wait_for(lambda: door.knows(token, "/v1/traces", b""))
    return token


@pytest.fixture
def alerts_token(door: RunningDoor) -> str:
    token = actions.add_source(
        name="prometheus", protocol="alertmanager", environment_slug="production", actor=CONSOLE
    )[1]
    wait_for(lambda: door.knows(token, "/api/v2/alerts", b"[]"))
    return token
