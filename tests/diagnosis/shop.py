"""A small shop whose spans are made by hand: gateway → checkout → payment, orders → orders-db, and their
failures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hemostat.intake.readings import ExceptionReading, SpanKind, SpanReading

MS = 1_000_000


@dataclass
class Shop:
    """Makes the spans of one purchase after the other."""

    rng: random.Random = field(default_factory=lambda: random.Random(7))
    store_refuses: bool = False
    store_error: str = "ConnectionRefusedError"
    payment_version: str = "1.4.0"
    bad_versions: frozenset[str] = frozenset({"1.4.1"})
    spans: list[SpanReading] = field(default_factory=list)

    def purchase(self, at: float) -> list[SpanReading]:
        """The spans of one purchase that begins at `at` (Unix seconds), outermost last."""
        self.spans = []
        self._trace = self.rng.randbytes(16)
        now = int(at * 1000) * MS
        root = self.rng.randbytes(8)
        paid = self._step(root, "gateway", "checkout", "POST /checkout", now + 2 * MS)
        self._server(root, b"", "gateway", "POST /buy", now, 60, None if paid else "UpstreamError")
        return self.spans

    def _step(self, parent: bytes, caller: str, callee: str, operation: str, now: int) -> bool:
        call, server = self.rng.randbytes(8), self.rng.randbytes(8)
        error = self._serve(server, callee, now + MS)
        self._server(server, call, callee, operation, now + MS, 40, error)
        self.spans.append(
            SpanReading(
                self._trace, call, parent, SpanKind.CLIENT, "POST", now, now + 45 * MS, "production",
                caller, failed=error is not None, http_code=500 if error else 200, peer=callee,
                peer_operation=operation,
            )
        )  # fmt: skip
        return error is None

    def _serve(self, server: bytes, service: str, now: int) -> str | None:
        """What happens inside a service; the error it ends with, if any."""
        match service:
            case "checkout":
                paid = self._step(server, "checkout", "payment", "POST /charge", now + MS)
                kept = paid and self._step(server, "checkout", "orders", "POST /orders", now + 10 * MS)
                return None if kept else "UpstreamError"
            case "payment":
                return "TypeError" if self.payment_version in self.bad_versions else None
            case "orders":
                error = self.store_error if self.store_refuses else None
                self.spans.append(
                    SpanReading(
                        self._trace, self.rng.randbytes(8), server, SpanKind.CLIENT, "INSERT orders",
                        now + MS, now + 3 * MS, "production", "orders", failed=error is not None,
                        peer="orders-db", peer_operation="INSERT orders",
                        exception=ExceptionReading(error, "Connection refused") if error else None,
                    )
                )  # fmt: skip
                return "StoreError" if error else None
        return None

    def _server(
        self, span_id: bytes, parent: bytes, service: str, entry: str, now: int, ms: int, error: str | None
    ) -> None:
        self.spans.append(
            SpanReading(
                self._trace, span_id, parent, SpanKind.SERVER, entry, now, now + ms * MS, "production",
                service, version=self.payment_version if service == "payment" else "2.0", entry=entry,
                failed=error is not None, http_code=500 if error else 200,
                exception=ExceptionReading(error, "it failed") if error else None,
            )
        )  # fmt: skip
