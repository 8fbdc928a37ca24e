"""An operator's command: `python -m hemostat_lab.operate restart|rollback|isolate|restore NAME`.

Command steps of plans run it. All it knows are the address of the platform's operations door (`SHOP_PLATFORM`) and
a token for it (`SHOP_TOKEN`). It prints what happens while it happens; exit code 1 when the platform refuses.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

OPERATIONS: Mapping[str, str] = {
    "restart": "/services/{}/restart",
    "rollback": "/services/{}/rollback",
    "isolate": "/instances/{}/isolate",
    "restore": "/instances/{}/restore",
}
LOOK_EVERY_S = 0.2
PATIENCE_S = 90.0


def main(argv: list[str]) -> int:
    """Carry out one operation."""
    if len(argv) != 2 or argv[0] not in OPERATIONS:
        return _end(f"usage: python -m hemostat_lab.operate {'|'.join(OPERATIONS)} NAME", 2)
    missing = [name for name in ("SHOP_PLATFORM", "SHOP_TOKEN") if not os.environ.get(name)]
    if missing:
        return _end(f"{missing[0]} is not set", 2)
    headers = {"authorization": f"Bearer {os.environ['SHOP_TOKEN']}"}
    with httpx.Client(base_url=os.environ["SHOP_PLATFORM"], headers=headers, timeout=PATIENCE_S) as platform:
        try:
            return _carry_out(platform, OPERATIONS[argv[0]].format(argv[1]))
        except httpx.HTTPError as error:
            return _end(f"the platform does not answer: {error}", 1)


def _carry_out(platform: httpx.Client, path: str) -> int:
    seen = _states(platform)
    with ThreadPoolExecutor(1) as background:
        asked = background.submit(platform.post, path)
        while not asked.done():
            seen = _tell_changes(seen, _states(platform))
            try:
                asked.exception(LOOK_EVERY_S)
            except TimeoutError:
                continue
    answer = asked.result()
    if not answer.is_success:
        return _end(answer.json()["error"], 1)
    _tell_changes(seen, _states(platform))
    for line in answer.json()["done"]:
        _say(line)
    return 0


def _states(platform: httpx.Client) -> dict[str, str]:
    status: dict[str, Any] = platform.get("/status").raise_for_status().json()
    states = {status["store"]["name"]: "is running" if status["store"]["running"] else "is stopped"}
    for service in status["services"].values():
        for name, instance in service["instances"].items():
            states[name] = f"is {instance['state']} {instance['release']}"
    return states


def _tell_changes(before: Mapping[str, str], now: dict[str, str]) -> dict[str, str]:
    for name, state in now.items():
        if before.get(name) != state:
            _say(f"{name} {state}")
    return now


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _end(sentence: str, code: int) -> int:
    sys.stderr.write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
