"""Who answers for each service at the moment: written by the platform, read by every client.

A file in place of a name server: the logical name of a service leads to the instances that are in rotation.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK_EVERY_S = 0.1


def write(path: Path, addresses: Mapping[str, Sequence[int]]) -> None:
    """Put a new rotation in place of the former one; `addresses` are ports of this machine by service."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(addresses))
    fresh.replace(path)


class Rotation:
    """A client's view: looks at the file at most every `LOOK_EVERY_S` seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, list[int]] = {}
        self._seen = 0
        self._look_at = 0.0
        self._turn = 0

    def ports(self, service: str) -> list[int]:
        """Ports of the service's instances, the one whose turn it is first; [] when none is in rotation."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            changed = self._path.stat().st_mtime_ns
            if changed != self._seen:
                self._ports = json.loads(self._path.read_text())
                self._seen = changed
        ports = self._ports.get(service, [])
        if not ports:
            return []
        self._turn += 1
        first = self._turn % len(ports)
        return ports[first:] + ports[:first]
