"""Whatever is killed while alerts and failing spans come in: what was acknowledged is stored, and counted once.

Two senders number what they send, and send each again until it is acknowledged, as real ones do. Meanwhile each part
is killed with `kill -9`: the web process, the intake, the engine, PostgreSQL's postmaster, and at last everything.
In the end the numbers acknowledged are compared with what the database holds. Twice each here; ten times each with
`make soak`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.installation import Installation, eventually, running

pytestmark = [pytest.mark.story, pytest.mark.slow]

KILLS = 10 if os.environ.get("HEMOSTAT_FULL") else 2
PARTS = ("web", "intake", "engine", "postgres")
PAUSE_S = 0.02
"""Between two messages of one sender: a steady stream, not a measurement of speed."""


class Sender(threading.Thread):
    """Sends numbered messages one after the other, each until it is acknowledged."""

    def __init__(self, name: str, send: Callable[[int], int]) -> None:
        super().__init__(name=name, daemon=True)
        self._send = send
        self._ended = threading.Event()
        self.acknowledged: list[int] = []
        self.tries = 0
        self.refusals: dict[int, int] = {}

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            while True:
                self.tries += 1
                status = self._send(number)
                if 200 <= status < 300:
                    self.acknowledged.append(number)
                    break
                self.refusals[status] = self.refusals.get(status, 0) + 1
                time.sleep(0.1)
            time.sleep(PAUSE_S)

    def finish(self) -> None:
        """Let it bring the message under way to its end, and stop."""
        self._ended.set()
        self.join(120)
        assert not self.is_alive(), f"{self.name}: its last message was never acknowledged ({self.refusals})"


def alert(number: int) -> list[dict[str, object]]:
    """A numbered alert in Alertmanager's form."""
    return [
        {
            "labels": {"alertname": "Numbered", "severity": "warning", "number": str(number)},
            "annotations": {"summary": f"number {number}"},
            "startsAt": "2026-11-19T13:58:00Z",
            "endsAt": "2036-11-19T13:58:00Z",
        }
    ]


def failing_span(number: int, ended_ns: int) -> dict[str, object]:
    """A trace of one failing request in OTLP's JSON form; the same bytes whenever it is sent."""
    service = [
        {"key": "service.name", "value": {"stringValue": "numbered"}},
        {"key": "service.namespace", "value": {"stringValue": "shop"}},
        {"key": "deployment.environment.name", "value": {"stringValue": "production"}},
    ]
    exception = [
        {"key": "exception.type", "value": {"stringValue": "OutOfStock"}},
        {"key": "exception.message", "value": {"stringValue": "none left"}},
    ]
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "GET /numbered",
        "kind": 2,
        "startTimeUnixNano": str(ended_ns - 5_000_000),
        "endTimeUnixNano": str(ended_ns),
        "attributes": [
            {"key": "http.request.method", "value": {"stringValue": "GET"}},
            {"key": "http.route", "value": {"stringValue": "/numbered"}},
        ],
        "events": [{"name": "exception", "timeUnixNano": str(ended_ns - 1_000_000), "attributes": exception}],
        "status": {"code": 2},
    }
    return {"resourceSpans": [{"resource": {"attributes": service}, "scopeSpans": [{"spans": [span]}]}]}


class Database:
    """What the installation has stored, asked of its database directly."""

    def __init__(self, installation: Installation) -> None:
        self._sockets = installation.data / "run"

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of one query."""
        with psycopg.connect(f"postgresql://postgres@/hemostat?host={self._sockets.resolve()}") as conn:
            return conn.execute(statement).fetchall()  # type: ignore[arg-type]

    def alerts(self) -> list[int]:
        """The numbers of the alerts folded, one for each row."""
        return sorted(
            int(str(number))
            for (number,) in self.ask("select labels ->> 'number' from alerts_alert where name = 'Numbered'")
        )

    def requests(self) -> tuple[int, int]:
        """Requests and failed requests counted."""
        ((requests, failed),) = self.ask(
            "select coalesce(sum(requests), 0)::int, coalesce(sum(failed), 0)::int from intake_spanbucket "
            "where app_id = 'shop/numbered' and peer = ''"
        )
        return int(str(requests)), int(str(failed))


@pytest.fixture
def installation() -> Iterator[Installation]:
    """A running installation with a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hemostat-survival-"))
    folder.chmod(0o755)
    with running(Installation(folder / "data")) as it:
        yield it
    shutil.rmtree(folder, ignore_errors=True)


def source(installation: Installation, name: str, protocol: str) -> str:
    """A new source's token, from the command line."""
    added = installation.run("source", "add", name, "--protocol", protocol)
    assert added.returncode == 0, added.stderr
    return re.search(r"hs_\S+", added.stdout)[0]  # type: ignore[index]


def test_nothing_acknowledged_is_lost_or_counted_twice(installation: Installation) -> None:
    alerts_token = source(installation, "numbers", "alertmanager")
    spans_token = source(installation, "shop", "otlp")
    ended: dict[int, int] = {}

    def send_alert(number: int) -> int:
        # In turn at both doors that take alerts.
        base = installation.url if number % 2 else installation.intake_url
        return installation.ask("/api/v2/alerts", alert(number), token=alerts_token, base=base)[0]

    def send_span(number: int) -> int:
        body = failing_span(number, ended.setdefault(number, time.time_ns()))
        return installation.ask("/v1/traces", body, token=spans_token, base=installation.intake_url)[0]

    senders = [Sender("alerts", send_alert), Sender("spans", send_span)]
    for sender in senders:
        sender.start()

    def progress(what: str) -> None:
        goal = [len(sender.acknowledged) + 5 for sender in senders]
        eventually(
            lambda: all(len(s.acknowledged) >= n for s, n in zip(senders, goal, strict=True)),
            why=f"senders go on {what}",
        )

    progress("before anything was killed")
    for _round in range(KILLS):
        for part in PARTS:
            before = installation.kill(part)
            eventually(lambda p=part, b=before: installation.pid_of(p) not in {None, b}, why=f"{part} runs again")
            progress(f"after {part} was killed")
        installation.kill_everything()
        installation.start()
        installation.wait_until_ready()
        progress("after everything was killed")
    for sender in senders:
        sender.finish()

    alerts, spans = senders
    stored = Database(installation)
    sys.stdout.write(
        f"\n{KILLS} x {len(PARTS) + 1} kills: {len(alerts.acknowledged)} alerts acknowledged in {alerts.tries} tries, "
        f"{len(spans.acknowledged)} spans in {spans.tries}; refusals {alerts.refusals}, {spans.refusals}\n"
    )
    eventually(
        lambda: len(stored.alerts()) >= len(alerts.acknowledged), why="every acknowledged alert is folded", within=60
    )
    assert stored.alerts() == sorted(alerts.acknowledged), "each alert acknowledged is one row"
    sent = len(spans.acknowledged)
    eventually(lambda: stored.requests()[0] >= sent, why="every acknowledged span is counted", within=30)
    time.sleep(2)  # the intake writes once more each second: what was counted must not grow
    assert stored.requests() == (sent, sent), "each span acknowledged is counted once, as a failure"
