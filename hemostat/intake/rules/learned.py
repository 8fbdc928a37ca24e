"""What healthy and failing traces teach in passing: who stands behind an address, who usually matters, how
long is usual.

One `Learned` for each environment. Every table is bounded; forgetting costs precision for a while, never
correctness: what is not known yet is named as the call itself names it.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from hemostat.intake.rules.bounded import Bounded

UNNAMED = "(unnamed)"
"""The service of a callee that neither a span nor an address names."""

_TEMPLATE = re.compile(r"^(?:\{.*\}|:.+|<.*>)$")
_IDENTIFIER = re.compile(r"^(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|(?=[^/]*\d)[0-9a-f]{12,}|.{33,})$", re.IGNORECASE)
_NUMERIC_ADDRESS = re.compile(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f:]*:[0-9a-f:]+\]?)(?::\d+)?$", re.IGNORECASE)
_INTERNAL_SUFFIXES = frozenset(
    [
        "local",
        "localdomain",
        "localhost",
        "internal",
        "intranet",
        "private",
        "corp",
        "home",
        "lan",
        "svc",
        "cluster",
        "consul",
        "mesh",
        "docker",
        "pod",
        "node",
        "test",
        "example",
        "invalid",
    ]
)
_MANAGED = (".rds.amazonaws.com", ".cache.amazonaws.com", ".database.windows.net", ".redis.cache.windows.net")

SILENT = 3
"""Calls without a server span, one after the other, from which none is expected."""
FULL_WEIGHT = 4096
"""Running means forget by half when they have seen so many calls."""


class Node(NamedTuple):
    """An operation of a service: where a failing request passes or ends."""

    app_id: str
    operation: str


class CallKey(NamedTuple):
    """What one call tells of its callee: the address (with the caller, where an address serves many) and
    the operation.
    """

    caller: str
    address: str
    route: str


@lru_cache(maxsize=20_000)
def route_of(operation: str) -> str:
    """The operation with every parameter replaced by `*`: `GET /pay/123?x` and `GET /pay/{id}` are one."""
    return "/".join(
        "*" if _TEMPLATE.match(part) or _IDENTIFIER.match(part) else part
        for part in operation.partition("?")[0].split("/")
    )


@lru_cache(maxsize=20_000)
def tidy(operation: str) -> str:
    """The operation as it is shown: identifiers in paths replaced by `*`, templates kept."""
    return "/".join("*" if _IDENTIFIER.match(p) else p for p in operation.partition("?")[0].split("/"))


@lru_cache(maxsize=20_000)
def path_of(operation: str) -> str:
    """The path of `METHOD /path` or `service/method`, parameters replaced; "" when the operation has none."""
    last = operation.rpartition(" ")[2]
    return route_of(last).lstrip("/") if "/" in last else ""


@lru_cache(maxsize=20_000)
def service_name(address: str) -> str:
    """What an address calls its service: the first label of an internal name, the whole of a public one or a
    number.

    `orders-db.shop.svc.cluster.local:5432` → `orders-db`; `api.stripe.com` and `10.0.0.7:5432` stay.
    """
    if _NUMERIC_ADDRESS.match(address):
        return address
    host = address.rpartition("://")[2].partition("/")[0].partition(":")[0]
    first, *rest = host.split(".")
    if len(rest) < 2 or rest[-1] in _INTERNAL_SUFFIXES or "svc" in rest or host.endswith(_MANAGED):
        return first or UNNAMED
    return host


@lru_cache(maxsize=20_000)
def _word(text: str) -> re.Pattern[str]:
    return re.compile(r"(?<![\w-])" + re.escape(text) + r"(?![\w-])")


def bare_name(app_id: str) -> str:
    """The service's name without its namespace: `shop/orders` → `orders`."""
    return app_id.rpartition("/")[2]


def names_service(message: str, app_id: str) -> bool:
    """Whether an exception's message names the service as a word."""
    return bool(message) and _word(bare_name(app_id)).search(message) is not None


class Learned:
    """What is known of one environment, learned from its spans."""

    def __init__(self, size: int = 20_000) -> None:
        self._recording: Bounded[str, bool] = Bounded(size)
        self._by_name: Bounded[str, set[str]] = Bounded(size)
        self._behind: Bounded[str, set[str]] = Bounded(size)
        self._callees: Bounded[CallKey, Node] = Bounded(size)
        self._unanswered: Bounded[Node, int] = Bounded(size)
        self._strength: Bounded[tuple[Node, Node], list[float]] = Bounded(size)
        self._usual: Bounded[Node | tuple[Node, Node], list[float]] = Bounded(size)
        self._orphans: Bounded[Node, list[float]] = Bounded(size)

    # Services and addresses

    def records(self, app_id: str) -> bool:
        """Whether the service has sent spans of its own."""
        return self._recording.get(app_id) is not None

    def learn_recording(self, app_id: str) -> None:
        """The service sent a span that is not a call."""
        if self._recording.get(app_id) is None:
            self._recording[app_id] = True
            same_name = self._by_name.get(bare_name(app_id))
            if same_name is None:
                self._by_name[bare_name(app_id)] = {app_id}
            else:
                same_name.add(app_id)

    def service_at(self, address: str, caller: str) -> str | None:
        """The recording service that an address stands for: learned, else the one of that name near the
        caller.
        """
        behind = self._behind.get(address)
        if behind is not None and len(behind) == 1:
            return next(iter(behind))
        same_name = self._by_name.get(service_name(address))
        if not same_name:
            return None
        namespace = caller.rpartition("/")[0]
        near = f"{namespace}/{service_name(address)}" if namespace else service_name(address)
        return near if near in same_name else min(same_name)

    def knows(self, address: str) -> bool:
        """Whether calls to the address were seen to be answered by a service that records."""
        return self._behind.get(address) is not None

    def is_direct(self, address: str, call: str, app_id: str, entry: str) -> bool:
        """Whether the server span of `app_id` is the other end of a call, not something behind a silent
        service.

        `call` is the operation asked for, `entry` the one that answered.
        """
        if not address or service_name(address) == bare_name(app_id):
            return True
        behind = self._behind.get(address)
        if behind is not None and app_id in behind:
            return True
        if self._by_name.get(service_name(address)):
            return False
        asked, answered = path_of(call), path_of(entry)
        return asked == answered if asked and answered else behind is None

    def learn_callee(self, caller: str, address: str, call: str, callee: Node) -> None:
        """A call was answered by `callee` itself."""
        if address:
            behind = self._behind.get(address)
            if behind is None:
                self._behind[address] = {callee.app_id}
            elif len(behind) < 8:
                behind.add(callee.app_id)
        self._callees[self._key(caller, address, call)] = callee

    def callee(self, caller: str, address: str, call: str) -> Node:
        """The node that a call without a server span was made to, as far as is known."""
        known = self._callees.get(self._key(caller, address, call))
        if known is not None:
            return known
        if not address:
            return Node(UNNAMED, tidy(call))
        return Node(self.service_at(address, caller) or service_name(address), tidy(call))

    def _key(self, caller: str, address: str, call: str) -> CallKey:
        behind = self._behind.get(address) if address else None
        shared = not address or (behind is not None and len(behind) > 1)
        return CallKey(caller if shared else "", address, route_of(call))

    def learn_answer(self, peer: Node, *, came: bool) -> None:
        """A call was counted for good: had a server span come for it, its callee's or another's behind it?"""
        if came:
            self._unanswered[peer] = 0
        else:
            self._unanswered[peer] = min(SILENT, (self._unanswered.get(peer) or 0) + 1)

    def is_silent(self, peer: Node) -> bool:
        """Whether calls to the peer are known to go without a server span: a store, a service that
        records nothing.
        """
        return (self._unanswered.get(peer) or 0) >= SILENT and not self.records(peer.app_id)

    # Entries whose caller never records

    def learn_orphan(self, node: Node, *, parent_came: bool) -> None:
        """A server span named a parent; did that ever arrive?"""
        counts = self._orphans.get(node)
        if counts is None:
            counts = self._orphans[node] = [0.0, 0.0]
        counts[0 if parent_came else 1] += 1
        if sum(counts) > FULL_WEIGHT:
            counts[0] /= 2
            counts[1] /= 2

    def is_outer_edge(self, node: Node) -> bool:
        """Whether the operation is usually called by somebody whose spans never come: then it is an entry."""
        counts = self._orphans.get(node)
        return counts is not None and counts[1] >= 3 and counts[1] > counts[0]

    # Who matters, and how long is usual

    def learn_strength(self, caller: Node, callee: Node, *, caller_failed: bool) -> None:
        """A call failed for good; did its caller fail too?"""
        counts = self._strength.get((caller, callee))
        if counts is None:
            counts = self._strength[(caller, callee)] = [0.0, 0.0]
        counts[0] += 1
        counts[1] += caller_failed
        if counts[0] > FULL_WEIGHT:
            counts[0] /= 2
            counts[1] /= 2

    def strength(self, caller: Node, callee: Node) -> float:
        """How often the caller fails when this callee fails, 0 to 1; 0.5 while nothing is known."""
        counts = self._strength.get((caller, callee))
        return (counts[1] + 1) / (counts[0] + 2) if counts else 0.5

    def learn_time(self, what: Node | tuple[Node, Node], ns: int) -> None:
        """An operation (its own time), or a call that ended well, took so long."""
        sums = self._usual.get(what)
        if sums is None:
            sums = self._usual[what] = [0.0, 0.0]
        sums[0] += 1
        sums[1] += math.log(max(1, ns))
        if sums[0] > FULL_WEIGHT:
            sums[0] /= 2
            sums[1] /= 2

    def usual_ns(self, what: Node | tuple[Node, Node]) -> float:
        """The geometric mean of what was seen, nanoseconds; 0 below five observations."""
        sums = self._usual.get(what)
        return math.exp(sums[1] / sums[0]) if sums and sums[0] >= 5 else 0.0
