"""Sending side by side: a slow or dead destination holds up its own messages and nobody else's.

A destination (a mail server, a webhook's host) gets at most `per_destination` of the workers, and its deliveries are
not claimed while it has them: a claim must not age in a queue. Workers are threads, for they wait for networks.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import connection

from hemostat.paging.engine import DeliveryLease, Engine

log = structlog.get_logger(__name__)

WORKERS = 16
PER_DESTINATION = 4
LONGEST_WAIT_S = 0.2


class Sender:
    """The workers of one process."""

    def __init__(self, engine: Engine, workers: int = WORKERS, per_destination: int = PER_DESTINATION) -> None:
        self._engine = engine
        self._workers = workers
        self._per_destination = per_destination
        self._busy: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="deliveries")

    def run(self) -> int:
        """Claim what is due and can be sent now, and hand it to the workers; returns how many.

        When there is nothing to claim because workers are busy, waits a moment for one of them.
        """
        with self._changed:
            free = self._workers - self._busy.total()
            full = {d for d, n in self._busy.items() if n >= self._per_destination}
            room = self._per_destination - max((n for d, n in self._busy.items() if d not in full), default=0)
        leases = self._engine.store.claim_deliveries(self._engine.now(), free, room, full) if free > 0 else []
        for lease in leases:
            with self._changed:
                self._busy[lease.destination] += 1
            self._pool.submit(self._send, lease)
        if not leases:
            with self._changed:
                if self._busy.total():
                    self._changed.wait(LONGEST_WAIT_S)
        return len(leases)

    def _send(self, lease: DeliveryLease) -> None:
        try:
            self._engine.deliver(lease)
        except Exception:  # the lease runs out and the row is taken again; what failed is told here
            log.exception("a delivery was broken off", delivery=str(lease.delivery_id))
        finally:
            connection.close()
            with self._changed:
                self._busy[lease.destination] -= 1
                self._busy += Counter()
                self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until every worker is free; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy.total(), timeout_s)

    def close(self) -> None:
        """Let what is being sent finish, and end the workers."""
        self._pool.shutdown(wait=True)
