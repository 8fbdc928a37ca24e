"""Breaks something in the shop, in the way it breaks in life.

There is no switch that a plan could turn back. A fault is an act: the store's server is killed, or the
release pipeline ships a release with a bug. What it needs (the right to signal the server, the token and the
socket of the release door) is given to no plan and stands in no environment of one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from hemostat_lab.layout import Layout, Role

STORE_REFUSES = "store-refuses"
BAD_RELEASE = "bad-release"
BAD_PAYMENT_RELEASE = "1.4.1"


class InjectionError(RuntimeError):
    """The fault could not be brought about; the message says why."""


def kill_store(layout: Layout) -> None:
    """Kill the store's server: from now on it refuses connections, until somebody starts it again."""
    pid_file = layout.store_folder / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        if Path("/proc/self").exists() and Path(f"/proc/{pid}/cwd").readlink() != layout.store_folder:
            raise InjectionError("the store is not running")  # the number belongs to another process by now
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        raise InjectionError("the store is not running") from None


def ship_bad_release(layout: Layout) -> None:
    """Deploy the release of payment that raises for most orders."""
    payment = layout.names[Role.PAYMENT]
    # httpx rather than a shell: the token must not show in a process list.
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(layout.release_socket)), timeout=90) as client:
        try:
            answer = client.post(
                f"http://release/services/{payment}/deploy",
                json={"release": BAD_PAYMENT_RELEASE},
                headers={"authorization": f"Bearer {layout.release_token_file.read_text()}"},
            )
        except httpx.HTTPError as error:
            raise InjectionError(f"the release door does not answer: {error}") from error
    if not answer.is_success:
        raise InjectionError(answer.json()["error"])


FAULTS: Mapping[str, Callable[[Layout], None]] = {STORE_REFUSES: kill_store, BAD_RELEASE: ship_bad_release}
