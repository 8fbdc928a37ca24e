"""How much the intake door takes in: alerts and spans, durably and folded, beside Alertmanager where it is installed.

    python bench/intake.py [--seconds 2]

Starts a PostgreSQL with fsync, the door and a folding process of its own in a temporary folder, and lets `wrk` (one
thread, the same machine) send. Each cell lasts at most three seconds and the whole ends by itself within some two
minutes. A cell says how many alerts or spans a second were answered 2xx (that is: committed), the p99 of the answer,
CPU microseconds a request of the door and of PostgreSQL, and how many a second were folded when all of it was.
Alertmanager keeps alerts in memory only.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONNECTIONS = (1, 16, 64)
ALERTS = 5_000
BATCH = 100
SPANS = 800
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cell:
    """What one run of the generator found."""

    rate: float
    """requests a second that were answered 2xx"""
    p99_ms: float
    requests: int
    refused: int


def fdatasync_us(folder: Path) -> float:
    """Median time of writing 8 kB and fdatasync, microseconds."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(200):
            file.seek(0)
            file.write(os.urandom(8192))
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - before)
    return sorted(times)[len(times) // 2] * 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that the processes have used so far."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
    return total


def children(pid: int) -> list[int]:
    """A process and its children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, listed)]


def alert_bodies(batch: int) -> list[bytes]:
    """Requests of `batch` alerts; some 620 bytes an alert, 5,000 different ones."""

    def alert(n: int) -> dict[str, object]:
        return {
            "labels": {
                "alertname": f"HighLatency{n % 40}", "severity": "warning",
                "instance": f"host-{n:05}.example.internal:9100",
                "job": "node", "cluster": "eu-central-1", "team": "platform", "namespace": f"ns-{n % 17}",
            },
            "annotations": {
                "summary": f"Latency of instance {n} is above its limit for the last ten minutes",
                "description": "The 99th percentile of the request duration stayed above 750 ms. " * 2,
                "runbook_url": "https://runbooks.example.internal/latency",
            },
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2099-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.internal:9090/graph?g0.expr=latency",
        }  # fmt: skip

    return [
        json.dumps([alert((k * batch + i) % ALERTS) for i in range(batch)]).encode()
        for k in range(ALERTS // batch if batch > 1 else 1000)
    ]


def span_bodies(count: int) -> list[bytes]:
    """Requests of 800 spans of six services, 2 % failing with an exception, gzip as exporters send them."""
    from tests.intake.otlp import CLIENT, merged, request, span

    stack = "".join(
        f'  File "/srv/app/module_{n}.py", line {n * 7}, in call_{n}\n    return inner()\n' for n in range(25)
    )
    bodies = []
    for _ in range(count):
        parts = []
        for service in range(6):
            spans = []
            for n in range(SPANS // 6 + 1):
                failing = n % 50 == 0
                common = {
                    "http__request__method": "GET", "http__route": f"/items/{n % 8}", "server__port": 8080,
                    "network__protocol__version": "1.1", "user_agent__original": "python/3.11", "url__scheme": "https",
                    "thread__id": n, "http__response__status_code": 500 if failing else 200,
                }  # fmt: skip
                exception = {"type": "KeyError", "message": f"item {n}", "stacktrace": stack} if failing else None
                if n % 2:
                    spans.append(span("GET", kind=CLIENT, server__address=f"svc-{(service + 1) % 6}", error=failing,
                                      exception=exception, **common))  # fmt: skip
                else:
                    spans.append(span("GET", error=failing, exception=exception, user__id=f"user-{n}", **common))
            parts.append(request(*spans, service=f"shop/svc-{service}"))
        bodies.append(gzip.compress(merged(*parts).SerializeToString(), 6))
    return bodies


def run(
    folder: Path, url: str, path: str, bodies: list[bytes], headers: dict[str, str], connections: int, seconds: int
) -> Cell:
    """Let wrk send the bodies one after the other over `connections`."""
    data = folder / "bodies"
    data.mkdir(exist_ok=True)
    for number, body in enumerate(bodies):
        (data / f"{number}").write_bytes(body)
    lines = "\n".join(f'  ["{name}"] = "{value}",' for name, value in headers.items())
    script = folder / "send.lua"
    script.write_text(
        f"""
local bodies, n = {{}}, 0
init = function()
  for i = 0, {len(bodies) - 1} do
    local file = io.open("{data}/" .. i, "rb")
    bodies[i] = wrk.format("POST", "{path}", {{
{lines}
    }}, file:read("*a"))
    file:close()
  end
end
request = function() n = n + 1; return bodies[n % {len(bodies)}] end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration, summary.errors.status,
                         latency:percentile(99)))
end
"""
    )
    told = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), url],
        capture_output=True, text=True, check=True, timeout=seconds + 30,
    ).stdout  # fmt: skip
    for file in data.iterdir():
        file.unlink()
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", told)
    if found is None:
        raise RuntimeError(f"wrk said: {told}")
    requests, duration_us, refused, p99_us = map(int, found.groups())
    return Cell((requests - refused) / (duration_us / 1e6), p99_us / 1000, requests, refused)


@contextmanager
def process(argv: list[str], environment: dict[str, str], ready: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers 200 at `ready`, ended with the block."""
    child = subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while ready:
            try:
                if httpx.get(ready, timeout=1).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline or child.poll() is not None:
                raise RuntimeError(f"{argv} did not come up")
            time.sleep(0.05)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()


def undrained(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = connection.execute(
        "select exists (select 1 from intake_inboxgroup g join intake_inboxcursor c using (proc)"
        " where g.id > c.position)"
    ).fetchone()
    return bool(row and row[0])


def fold() -> None:
    """The folding process: what the engine's leader does, and nothing else."""
    from hemostat.site.django import django_setup

    django_setup()
    from hemostat.alerts.folding import Folding
    from hemostat.base import clock

    folding = Folding()
    while True:
        if not folding.step(clock.now()):
            time.sleep(0.01)


def sources(url: str) -> tuple[str, str]:
    """Tokens of a source of alerts and one of spans."""
    os.environ["DATABASE_URL"] = url
    from hemostat.site.django import django_setup

    django_setup()
    from hemostat.events.rules import CONSOLE
    from hemostat.intake.actions import add_source

    alerts = add_source(name="alerts", protocol="alertmanager", environment_slug="bench", actor=CONSOLE)[1]
    spans = add_source(name="spans", protocol="otlp", environment_slug="bench", actor=CONSOLE)[1]
    return alerts, spans


def alertmanager(folder: Path) -> tuple[list[str], str] | None:
    """How to start an Alertmanager, if there is one."""
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        return None
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    address = f"127.0.0.1:{free_port()}"
    argv = [binary, f"--config.file={config}", f"--storage.path={folder / 'am'}", f"--web.listen-address={address}",
            "--cluster.listen-address=", "--log.level=error"]  # fmt: skip
    return argv, f"http://{address}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=2, choices=(1, 2, 3), help="how long a cell lasts")
    parser.add_argument("--fold", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fold:
        fold()
    folder = Path(tempfile.mkdtemp(prefix="hemostat-bench-"))
    folder.chmod(0o755)
    from hemostat.site.postgres import Cluster

    cluster = Cluster(folder / "pg", folder / "run", {"shared_buffers": "512MB"})
    server = cluster.start()
    try:
        measure(folder, cluster.socket_dir, server.pid, arguments.seconds)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, socket_dir: Path, server: int, seconds: int) -> None:
    print(f"fdatasync of 8 kB: {fdatasync_us(folder):.0f} µs; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    url = f"postgresql://postgres@/bench?host={socket_dir}"
    with psycopg.connect(f"postgresql://postgres@/postgres?host={socket_dir}", autocommit=True) as admin:
        admin.execute("create database bench")
    port = free_port()
    environment = {
        **os.environ, "DATABASE_URL": url, "HEMOSTAT_INTAKE_PORT": str(port), "HEMOSTAT_DATA_DIR": str(folder),
        "HEMOSTAT_SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
    }  # fmt: skip
    os.environ.update(environment)
    cli = [sys.executable, "-m", "hemostat.site.cli"]
    subprocess.run([*cli, "migrate"], env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    alerts_token, spans_token = sources(url)
    door_url = f"http://127.0.0.1:{port}"
    other = alertmanager(folder)
    print(f"{'':34}{'c':>4}{'per s':>12}{'p99 ms':>9}{'door µs/req':>13}{'pg µs/req':>11}{'folded per s':>14}  refused")
    with (
        process([*cli, "intake"], environment, f"{door_url}/-/ready") as door,
        process([sys.executable, __file__, "--fold"], environment),
        psycopg.connect(url, autocommit=True) as connection,
    ):
        headers = {"Authorization": f"Bearer {alerts_token}", "Content-Type": "application/json"}
        for batch in (1, BATCH):
            bodies = alert_bodies(batch)
            for connections in CONNECTIONS:
                cell(f"hemostat, {batch} alert(s) a request", batch, door.pid, server, connection,
                     folder, door_url, "/api/v2/alerts", bodies, headers, connections, seconds)  # fmt: skip
                if other is not None:
                    with process(other[0], environment, f"{other[1]}/-/ready"):
                        result = run(folder, other[1], "/api/v2/alerts", bodies, {"Content-Type": "application/json"},
                                     connections, seconds)  # fmt: skip
                    print(
                        f"{'  Alertmanager, in memory':34}{connections:>4}{result.rate * batch:>12,.0f}"
                        f"{result.p99_ms:>9.1f}{'':38}  {result.refused}",
                        flush=True,
                    )
        headers = {
            "Authorization": f"Bearer {spans_token}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        for connections in CONNECTIONS:
            # Fresh ids for every cell: a body that was sent before is answered and not counted.
            bodies = span_bodies(150 * seconds)
            each = 6 * (SPANS // 6 + 1)
            cell(f"hemostat, {each} spans a request", each, door.pid, server, connection,
                 folder, door_url, "/v1/traces", bodies, headers, connections, seconds)  # fmt: skip
    if other is None:
        print("no Alertmanager is installed to compare with")


def cell(
    name: str,
    each: int,
    door: int,
    server: int,
    connection: psycopg.Connection[tuple[object, ...]],
    folder: Path,
    url: str,
    path: str,
    bodies: list[bytes],
    headers: dict[str, str],
    connections: int,
    seconds: int,
) -> None:
    """Run one cell and print its line."""
    door_before, server_before, began = cpu_seconds([door]), cpu_seconds(children(server)), time.monotonic()
    result = run(folder, url, path, bodies, headers, connections, seconds)
    door_used, server_used = cpu_seconds([door]) - door_before, cpu_seconds(children(server)) - server_before
    while undrained(connection) and time.monotonic() - began < 60:
        time.sleep(0.02)
    folded = (result.requests - result.refused) * each / (time.monotonic() - began) if "alert" in name else 0
    print(
        f"{name:34}{connections:>4}{result.rate * each:>12,.0f}{result.p99_ms:>9.1f}"
        f"{door_used / result.requests * 1e6:>13.1f}{server_used / result.requests * 1e6:>11.1f}"
        f"{f'{folded:,.0f}' if folded else '':>14}  {result.refused}",
        flush=True,
    )


if __name__ == "__main__":
    main()
