"""The door on bad days: killed, without a database, crowded; and what it must never import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import psycopg
import pytest

from hemostat.alerts.folding import Folding
from hemostat.alerts.models import Alert
from hemostat.base import clock
from hemostat.events.models import Event
from hemostat.events.rules import CONSOLE
from hemostat.intake import actions, queries
from hemostat.intake.models import InboxGroup
from hemostat.site.postgres import Cluster
from tests.intake.conftest import RunningDoor, conninfo, start_door, wait_for
from tests.intake.otlp import request, span

ROOT = Path(__file__).parents[2]


def test_the_intake_process_never_imports_django() -> None:
    code = (
        "import sys, hemostat.site.intake, hemostat.intake.door\n"
        "found = [m for m in sys.modules if m.split('.')[0] == 'django']\n"
        "sys.exit(f'imports {found[:3]}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Senders(threading.Thread):
    """Sends numbered alerts and spans as fast as it is answered; notes which were answered 200."""

    def __init__(self, url: str, alerts_token: str, otlp_token: str, name: str) -> None:
        super().__init__(daemon=True)
        self.url, self.tokens, self.label = url, (alerts_token, otlp_token), name
        self.alerts: list[str] = []
        self.spans = 0
        self.unanswered = 0
        self.stop = threading.Event()

    def run(self) -> None:
        alerts = {"authorization": f"Bearer {self.tokens[0]}"}
        traces = {"authorization": f"Bearer {self.tokens[1]}", "content-type": "application/x-protobuf"}
        with httpx.Client(base_url=self.url, timeout=20) as client:
            n = 0
            while not self.stop.is_set():
                n += 1
                number = f"{self.label}-{n}"
                try:
                    body = orjson.dumps([{"labels": {"alertname": "Numbered", "n": number}}])
                    if client.post("/api/v2/alerts", content=body, headers=alerts).status_code == 200:
                        self.alerts.append(number)
                    made = request(*(span("GET /") for _ in range(5)), service=self.label).SerializeToString()
                    if client.post("/v1/traces", content=made, headers=traces).status_code == 200:
                        self.spans += 5
                    else:
                        self.unanswered += 5
                except httpx.HTTPError:
                    self.unanswered += 5
                    time.sleep(0.05)


def tokens() -> tuple[str, str]:
    alerts = actions.add_source(name="alerts", protocol="alertmanager", environment_slug="production", actor=CONSOLE)[1]
    traces = actions.add_source(name="traces", protocol="otlp", environment_slug="production", actor=CONSOLE)[1]
    return alerts, traces


def under_load(door: RunningDoor, alerts: str, traces: str, seconds: float) -> Iterator[list[Senders]]:
    senders = [Senders(door.url, alerts, traces, f"sender-{n}") for n in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(seconds)
    yield senders
    for sender in senders:
        sender.stop.set()
    for sender in senders:
        sender.join(30)


def fold_everything() -> None:
    folding = Folding()
    while folding.step(clock.now()):
        pass


def numbers_folded() -> Counter[str]:
    return Counter(row["n"] for row in Alert.objects.values_list("labels", flat=True))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_door_that_is_killed_has_lost_nothing_it_answered(transactional_db: None, tmp_path: Path) -> None:
    alerts, traces = tokens()
    door = start_door(conninfo(), tmp_path)
    load = under_load(door, alerts, traces, 1.5)
    senders = next(load)
    door.stop(signal.SIGKILL)
    next(load, None)
    answered = [number for sender in senders for number in sender.alerts]
    assert len(answered) > 20
    fold_everything()
    folded = numbers_folded()
    assert not set(answered) - set(folded), "an alert that was answered is missing"
    assert max(folded.values()) == 1, "an alert is counted twice"
    assert Event.objects.filter(kind="alerts.firing").count() == len(folded)
    now = clock.now()
    for sender in senders:
        counted = sum(
            p.requests
            for p in queries.red(
                "production", since=now.replace(year=2000), until=now.replace(year=2100), app_id=sender.label
            )
        )
        assert sender.spans <= counted <= sender.spans + 5, "spans that were answered are counted, once"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_door_that_is_told_to_stop_answers_what_it_took(transactional_db: None, tmp_path: Path) -> None:
    alerts, traces = tokens()
    door = start_door(conninfo(), tmp_path)
    load = under_load(door, alerts, traces, 1.0)
    senders = next(load)
    assert door.stop(signal.SIGTERM) == 0
    next(load, None)
    fold_everything()
    assert set(numbers_folded()) >= {number for sender in senders for number in sender.alerts}
    assert queries.sources()[0].accepted == InboxGroup.objects.count() or queries.sources()[0].accepted > 0


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A PostgreSQL of this test alone, with fsync, that may be killed."""
    folder = Path("/tmp") / f"hemostat-crash-{os.getpid()}"
    folder.mkdir(mode=0o755)
    cluster = Cluster(folder / "pg", folder / "run")
    yield cluster
    cluster.clear_leftovers()
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_killed_under_load_has_everything_that_was_answered(
    own_cluster: Cluster, transactional_db: None, tmp_path: Path
) -> None:
    """SIGKILL of the postmaster and restart, with the door running on: acked and stored are compared."""
    server = own_cluster.start()
    alerts, traces = tokens()
    url = f"postgresql://postgres@/shop?host={own_cluster.socket_dir}"
    copy_database(url, own_cluster)
    door = start_door(url, tmp_path)
    try:
        load = under_load(door, alerts, traces, 1.5)
        senders = next(load)
        server.send_signal(signal.SIGKILL)
        server.wait(10)
        time.sleep(0.5)
        with door.client(alerts) as client:
            refused = client.post("/api/v2/alerts", json=[{"labels": {"alertname": "x"}}])
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        server = own_cluster.start()
        wait_for(door.is_ready)
        time.sleep(1.0)
        next(load, None)
        answered = [number for sender in senders for number in sender.alerts]
        assert len(answered) > 20
        with psycopg.connect(url) as connection:
            stored = read_inbox(connection)
            missing = set(answered) - set(stored)
            assert not missing, f"{len(missing)} of {len(answered)} answered alerts are missing"
            for sender in senders:
                row = connection.execute(
                    "select sum(requests)::bigint from intake_spanbucket where app_id = %s", [sender.label]
                ).fetchone()
                assert row is not None
                assert sender.spans <= row[0] <= sender.spans + sender.unanswered
    finally:
        door.stop()
        server.send_signal(signal.SIGINT)
        server.wait(20)


def copy_database(url: str, cluster: Cluster) -> None:
    """The test database's schema and sources, in a server that may be killed."""
    with psycopg.connect(f"postgresql://postgres@/postgres?host={cluster.socket_dir}", autocommit=True) as admin:
        admin.execute("create database shop")
    environment = {**os.environ, "DATABASE_URL": url, "HEMOSTAT_SECRET_KEY": "a key for tests, long enough"}
    subprocess.run(
        [sys.executable, "-m", "hemostat.site.cli", "migrate"],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with psycopg.connect(conninfo()) as here, psycopg.connect(url) as there:
        for table in ("catalog_environment", "intake_source"):
            with (
                here.cursor().copy(f"copy {table} to stdout") as out,
                there.cursor().copy(f"copy {table} from stdin") as into,
            ):
                for block in out:
                    into.write(bytes(block))


def read_inbox(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    from hemostat.intake import frames
    from hemostat.intake.sources import alertmanager

    return [
        reading.labels["n"]
        for codec, body in connection.execute("select codec, body from intake_inboxgroup order by proc, id")
        for _source, raw in frames.unpack(codec, bytes(body))  # type: ignore[call-overload]
        for reading in alertmanager.read(raw)
        if "n" in reading.labels
    ]
