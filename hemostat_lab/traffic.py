"""Users: a steady stream of requests by many distinct people. `python -m hemostat_lab.traffic FOLDER [RATE]`.

Open loop: a slow or failing shop does not make its users come less often. Self-limited: above `MOST_AT_ONCE`
in flight a user gives up at the door, so that a stuck shop is not buried.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import httpx

from hemostat_lab.layout import Layout, Role
from hemostat_lab.rotation import Rotation
from hemostat_lab.shop.peers import USER_HEADER, Balancer

RATE = 25.0
"""Requests a second."""
MOST_AT_ONCE = 60
PATIENCE_S = 6.0
POPULATION = 20_000
ITEMS = ("clamp", "gauze", "forceps", "suture", "scalpel", "probe", "tray", "lamp", "gloves", "mask")
CURRENCIES = ("EUR", "GBP", "USD", "CHF")
CURRENCY_WEIGHTS = (60, 14, 18, 8)
ENTRIES = (("POST", "/checkout"), ("GET", "/orders"), ("GET", "/"))
ENTRY_WEIGHTS = (45, 30, 25)
REPORT_EVERY_S = 1.0
WINDOW_S = 10.0


class Report(TypedDict):
    """What users met: `rate` (a second) and `success` (0 to 1) over the last `WINDOW_S`; the rest since the start."""

    at: float
    """Unix time"""
    rate: float
    success: float
    total: int
    failed: int
    turned_away: int
    failures: list[float]
    """Unix times of the latest ones"""


@dataclass
class Tally:
    """What users met in the last `WINDOW_S` seconds, and in all."""

    since: float = field(default_factory=time.monotonic)
    total: int = 0
    failed: int = 0
    turned_away: int = 0
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    """Unix times of the latest failures"""

    def add(self, at: float, *, ok: bool) -> None:
        """Count one answered request."""
        self.total += 1
        self.failed += not ok
        self.recent.append((at, ok))
        if not ok:
            self.failures.append(time.time())

    def report(self, now: float) -> Report:
        """Figures for those who watch; shares from 0 to 1."""
        while self.recent and self.recent[0][0] < now - WINDOW_S:
            self.recent.popleft()
        span = max(1.0, min(WINDOW_S, now - self.since))
        good = sum(ok for _, ok in self.recent)
        return {
            "at": time.time(),
            "rate": round(len(self.recent) / span, 1),
            "success": round(good / len(self.recent), 4) if self.recent else 1.0,
            "total": self.total,
            "failed": self.failed,
            "turned_away": self.turned_away,
            "failures": [round(at, 3) for at in self.failures],
        }


async def run(layout: Layout, rate: float) -> None:
    """Send requests until told to stop."""
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    chance = random.Random()
    in_flight: set[asyncio.Task[None]] = set()
    report = layout.folder / "traffic.json"
    while not layout.ready_file.exists() and not stop.is_set():
        await asyncio.sleep(0.1)
    async with httpx.AsyncClient(transport=Balancer(Rotation(layout.rotation_file)), timeout=PATIENCE_S) as client:
        base = f"http://{layout.names[Role.GATEWAY]}"
        tally = Tally()
        next_at = report_at = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if now >= report_at:
                report_at = now + REPORT_EVERY_S
                fresh = report.with_suffix(".new")
                fresh.write_text(json.dumps(tally.report(now)))
                fresh.replace(report)
            if now < next_at:
                await asyncio.sleep(next_at - now)
                continue
            next_at = max(next_at + chance.uniform(0.5, 1.5) / rate, now - 1.0)
            if len(in_flight) >= MOST_AT_ONCE:
                tally.turned_away += 1
                continue
            task = asyncio.create_task(_visit(client, base, chance, tally))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
        for task in in_flight:
            task.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)


async def _visit(client: httpx.AsyncClient, base: str, chance: random.Random, tally: Tally) -> None:
    method, path = chance.choices(ENTRIES, ENTRY_WEIGHTS)[0]
    user = f"u-{chance.randrange(POPULATION):05d}"
    basket = {
        "items": chance.sample(ITEMS, k=chance.randint(1, 3)),
        "amount_cents": chance.randint(500, 20_000),
        "currency": chance.choices(CURRENCIES, CURRENCY_WEIGHTS)[0],
    }
    try:
        answer = await client.request(
            method, base + path, headers={USER_HEADER: user}, json=basket if method == "POST" else None
        )
        ok = not answer.is_server_error
    except httpx.HTTPError:
        ok = False
    tally.add(time.monotonic(), ok=ok)


if __name__ == "__main__":
    asyncio.run(run(Layout.load(Path(sys.argv[1])), float(sys.argv[2]) if len(sys.argv) > 2 else RATE))
