"""The demo's guide: waits for healthy traffic, breaks something, and tells what can be seen and pressed.

It reads over the REST API with a token, like anybody. Breaking things is its own business: the folder it is given
holds what the injector needs, and neither that folder nor the injector is known to any other part of the demo.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hemostat_lab import injector
from hemostat_lab.control import read_traffic, wait_until_up
from hemostat_lab.layout import Layout
from hemostat_lab.narration import Event, Incident, Scene, narrate
from hemostat_lab.seed import RESPONDER

HEALTHY_S = 90
LOOK_EVERY_S = 1.0
TELL_LEFT_AT_S = (60, 30, 10)
TOKEN_VARIABLE = "HEMOSTAT_LAB_GUIDE_TOKEN"  # noqa: S105 - the name of a variable

T = TypeVar("T")


def say(line: str) -> None:
    """One line on the console."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Api:
    """What the guide reads of Hemostat."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {token}"}, timeout=10)

    def codes(self) -> list[str]:
        """The newest incidents, oldest first."""
        return [row["code"] for row in reversed(self._get("/incidents?limit=5"))]

    def incident(self, code: str) -> Incident:
        """One incident with its timeline and its options."""
        row = self._get(f"/incidents/{code}")
        timeline = self._get(f"/incidents/{code}/timeline")
        options = [] if row["state"] in {"mitigated", "resolved"} else self._get(f"/incidents/{code}/options")
        return Incident(
            code=code,
            state=row["state"],
            headline=row["headline"],
            cause=row["cause"] or "",
            options=tuple(option["name"] for option in options),
            events=tuple(Event(e["id"], e["kind"], e["text"]) for e in reversed(timeline)),
        )

    def _get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()


def wait_healthy(layout: Layout, seconds: float, tell: Callable[[str], None]) -> None:
    """Let the shop run well for a while, counting down."""
    wait_until_up(layout)
    tell("The shop is up: four services with two instances each and a database, and people who buy.")
    begun = time.monotonic()
    told: set[int] = set()
    while (left := begun + seconds - time.monotonic()) > 0:
        for mark in TELL_LEFT_AT_S:
            if left <= mark < seconds and mark not in told:
                told.add(mark)
                tell(f"{_healthy(layout)} In {mark} s something will break.")
                break
        time.sleep(min(left, 0.5))


def _healthy(layout: Layout) -> str:
    try:
        traffic = read_traffic(layout)
    except FileNotFoundError:
        return "The first people come in."
    return f"{traffic['rate']:.0f} requests a second, {traffic['success']:.1%} of them go well."


def _patiently(ask: Callable[[], list[T]], tell: Callable[[str], None]) -> list[T]:
    told = False
    while True:
        try:
            return ask()
        except httpx.HTTPError as error:
            if not told:
                tell(f"Hemostat does not answer at the moment ({error}); I keep asking.")
            told = True
            time.sleep(LOOK_EVERY_S)


def watch(api: Api, scene: Scene, known: set[str], fault_at: float, tell: Callable[[str], None]) -> None:
    """Tell about incidents as they happen, without end. `fault_at`: when the fault was switched on, monotonic."""
    seen: dict[str, Incident] = {}
    while True:
        time.sleep(LOOK_EVERY_S)
        news = _patiently(lambda: [api.incident(code) for code in api.codes() if code not in known], tell)
        for incident in news:
            is_first = not seen or next(iter(seen)) == incident.code
            since = time.monotonic() - fault_at if is_first else None
            for line in narrate(seen.get(incident.code), incident, scene, since_fault_s=since):
                tell(line)
            seen[incident.code] = incident


def main(argv: list[str] | None = None) -> int:
    """Run until ended."""
    parser = argparse.ArgumentParser(prog="python -m hemostat_lab.guide")
    parser.add_argument("folder", type=Path, help="the lab's folder")
    parser.add_argument("url", help="where Hemostat's pages are")
    parser.add_argument("--after", type=float, default=HEALTHY_S, help="seconds of healthy traffic before the fault")
    parser.add_argument("--fault", choices=sorted(injector.FAULTS), default=injector.STORE_REFUSES)
    given = parser.parse_args(argv)
    layout = Layout.load(given.folder)
    python = os.path.relpath(sys.executable)
    scene = Scene(
        url=given.url,
        responder=RESPONDER.name,
        again=f"{python} -m hemostat_lab --folder {os.path.relpath(given.folder)} fault {' or '.join(injector.FAULTS)}",
    )
    api = Api(given.url, os.environ[TOKEN_VARIABLE])
    wait_healthy(layout, given.after, say)
    known = set(_patiently(api.codes, say))
    fault_at = time.monotonic()
    injector.FAULTS[given.fault](layout)
    say("A fault was switched on. Nobody told Hemostat; watch it find out.")
    watch(api, scene, known, fault_at, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
