"""How long it takes from the first failing request to the page, and to a verified recovery; and what it weighs.

`python -m bench.story` runs the whole story with real processes, about four minutes. The one who responds clicks at
once, so that only the program's own time is seen.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from hemostat_lab import injector, mailbox
from hemostat_lab.console import Console
from hemostat_lab.layout import Role
from hemostat_lab.seed import OWNER, RESPONDER
from tests.installation import eventually
from tests.lab.folders import folder_for_all
from tests.story.world import World, world

ALERTS = 30
ALERT_EVERY_S = 1.0


@dataclass
class Times:
    """Seconds since the fault, which is when requests began to fail."""

    opened: float
    page_sent: float
    clicked: float
    steps_done: float
    users_served: float
    verified: float


def main() -> None:
    """Print the figures."""
    with folder_for_all() as folder, world(folder, None) as shop, Console(shop.installation.env) as console:
        token = console.run(["token", "create", "bench", "--user", RESPONDER.email])["token"]
        print("From the first failing request, seconds")
        print(f"{'':<16}{'opened':>8}{'page':>8}{'click':>8}{'steps':>8}{'served':>8}{'verified':>10}")
        store, payment = shop.names[Role.STORE], shop.names[Role.PAYMENT]
        for fault, plan in (
            (injector.STORE_REFUSES, f"restart-{store}"),
            (injector.BAD_RELEASE, f"roll-back-{payment}"),
        ):
            took = _heal(shop, folder / "mails", token, fault, plan)
            print(
                f"{fault:<16}{took.opened:>8.1f}{took.page_sent:>8.1f}{took.clicked:>8.1f}"
                f"{took.steps_done:>8.1f}{took.users_served:>8.1f}{took.verified:>10.1f}"
            )
        print("page: in the mailbox; steps: recovered without the verification window; verified: with it\n")
        _weigh(shop)
        _alerts_to_webhooks(shop, console)


def _heal(shop: World, mails: Path, token: str, fault: str, plan: str) -> Times:
    shop.wait_until_calm(within=180)
    api = httpx.Client(base_url=f"{shop.url}/api/v1", headers={"authorization": f"Bearer {token}"}, timeout=10)
    acted = time.time()
    broken = threading.Thread(target=shop.lab.fault, args=(fault,))
    broken.start()
    began = eventually(lambda: _first_failure(shop.lab.traffic()["failures"], acted), within=30, why="requests fail")
    code = shop.wait_for_incident(within=60)
    mail = eventually(lambda: _first_mail(mails, began), within=60, why="the page")
    eventually(lambda: plan in shop.options(code), within=60, why=f"{plan} is offered")
    clicked = time.time()
    run = api.post(f"/incidents/{code}/runs", json={"plan": plan}).raise_for_status().json()
    served = eventually(lambda: _served(shop, clicked), within=60, why="users are served")

    def over() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(f"/runs/{run['id']}").raise_for_status().json()
        return found if found["finished_at"] else None

    ended = eventually(over, within=90, why="the run ends")
    if ended["state"] != "helped":
        raise SystemExit(f"{plan} did not help: {ended['outcome']}")
    broken.join()
    return Times(
        opened=_at(shop.incident(code)["opened_at"]) - began,
        page_sent=mail - began,
        clicked=clicked - began,
        steps_done=_at(ended["steps_done_at"]) - began,
        users_served=served - began,
        verified=_at(ended["finished_at"]) - began,
    )


def _first_failure(failures: list[float], since: float) -> float | None:
    """The first failing request that two more follow within a second: alone it is the noise that is always there."""
    later = [at for at in failures if at > since]
    return next((at for at, third in zip(later, later[2:], strict=False) if third - at < 1), None)


def _first_mail(mails: Path, since: float) -> float | None:
    received = [int(file.stem) / 1e9 for file in mailbox.messages(mails)]
    return min((at for at in received if at > since), default=None)


def _served(shop: World, since: float) -> float | None:
    before = shop.lab.traffic()
    time.sleep(1.1)
    after = shop.lab.traffic()
    asked, failed = after["total"] - before["total"], after["failed"] - before["failed"]
    return before["at"] if before["at"] > since and asked and failed / asked < 0.1 else None


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _weigh(shop: World) -> None:
    print("Memory (proportional set size), MB")
    parts = {name: shop.installation.pid_of(name) for name in ("postgres", "web", "intake", "engine")}
    for name, pid in parts.items():
        if pid is not None:
            print(f"  {name:<10}{sum(_pss_mb(p) for p in _family(pid)):>8.0f}")
    for name, pid in shop.lab.pids().items():
        what = name.removeprefix("hemostat_lab.").partition(".")[0]
        print(f"  {what:<10}{sum(_pss_mb(p) for p in _family(pid)):>8.0f}  (the lab)")
    print()


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Receiver:
    """What arrived by webhook: the alert's name and when."""

    arrived: dict[str, float] = field(default_factory=dict)
    url: str = ""


@contextmanager
def _receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            now = time.time()
            for number in range(ALERTS):
                if f"bench-{number:03d}" in body:
                    received.arrived.setdefault(f"bench-{number:03d}", now)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


def _alerts_to_webhooks(shop: World, console: Console) -> None:
    with _receiver() as received:
        who = "hook@example.org"
        console.run(["user", "add", who, "--name", "Hook", "--password-stdin"], stdin="webhooks-are-people-too\n")
        console.run(["contact", "add", who, "--kind", "webhook", "--address", received.url, "--verified"])
        console.run(["policy", "add", "Hooks", "--tier", f"user:{who}", "--fallback", OWNER.email])
        for number in range(ALERTS):
            name = f"bench-{number:03d}"
            console.run(["service", "add", name, "--label", name, "--tier", "core", "--policy", "hooks"])
        token = console.run(["source", "add", "Bench", "--protocol", "alertmanager", "--environment", "lab"])["token"]
        sent = {}
        with httpx.Client(base_url=shop.url, headers={"authorization": f"Bearer {token}"}) as sender:
            for number in range(ALERTS):
                name = f"bench-{number:03d}"
                labels = {"alertname": f"{name}Down", "service": name, "severity": "critical"}
                sent[name] = time.time()
                sender.post("/api/v2/alerts", json=[{"labels": labels, "annotations": {"summary": f"{name} is down"}}])
                time.sleep(ALERT_EVERY_S)
        eventually(lambda: len(received.arrived) == ALERTS, within=30, why="every alert arrives")
        took = sorted((received.arrived[name] - sent[name]) * 1000 for name in sent)
        print(f"Alert → webhook, {ALERTS} alerts one a second, milliseconds")
        print(f"  p50 {statistics.median(took):.0f}   p99 {took[int(len(took) * 0.99)]:.0f}   worst {took[-1]:.0f}")


if __name__ == "__main__":
    sys.exit(main())
