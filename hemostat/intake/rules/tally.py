"""Counters of a stretch of time: what attribution writes for each ten seconds, and what diagnosis reads.

A tally is a sum: of traces in a bucket, of the buckets of several intake processes, of buckets into minutes.
It is stored as rows of JSON (`rows`, `absorb`): one for each service, entry and token, so that a row is small
and only what changed is written again. Names are bounded in each tally; what lies beyond the bounds is
counted under `(other)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hemostat.intake.rules import tally_rows
from hemostat.intake.rules.counts import OTHER, Edge, NodeCount, Remainder, Requests, ServiceCount, TokenCount
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import How, Leaf, Step, TokenKey

MAX_SERVICES = 2_000
MAX_OPERATIONS = 200
"""of one service"""
MAX_LABELS = 30
"""of one operation"""
MAX_CALLEES = 500
"""of one operation"""
MAX_TOKENS = 1_000


class Tally:
    """All counters of a stretch of time in one environment.

    Names beyond the bounds are replaced by `(other)` where counters are made; whoever asks for the counters
    of such a name gets those of the remainder. What was touched since the last `drain` is remembered.
    """

    def __init__(self) -> None:
        self.requests: dict[Node, Requests] = {}
        self.tokens: dict[TokenKey, TokenCount] = {}
        self.services: dict[str, ServiceCount] = {}
        self.remainder = Remainder()
        self._touched: dict[str, set[Any]] = {"req": set(), "tok": set(), "svc": set(), "left": set()}

    # Counting

    def entry(self, node: Node) -> Requests:
        """The counters of requests to an entry."""
        if node not in self.requests:
            node = self._bounded(node)
        self._touched["req"].add(node)
        return self.requests.setdefault(node, Requests())

    def service(self, app_id: str) -> ServiceCount:
        """The counters of a service."""
        if app_id not in self.services and len(self.services) >= MAX_SERVICES:
            app_id = OTHER
        self._touched["svc"].add(app_id)
        found = self.services.get(app_id)
        if found is None:
            found = self.services[app_id] = ServiceCount()
        return found

    def node(self, node: Node) -> NodeCount:
        """The counters of an operation."""
        operations = self.service(node.app_id).operations
        found = operations.get(node.operation)
        if found is None:
            name = node.operation if len(operations) < MAX_OPERATIONS else OTHER
            found = operations.setdefault(name, NodeCount())
        return found

    def edge(self, caller: Node, callee: Node) -> Edge:
        """The counters of calls between two operations."""
        callees = self.node(caller).callees
        found = callees.get(callee)
        if found is None:
            found = callees.setdefault(callee if len(callees) < MAX_CALLEES else Node(OTHER, OTHER), Edge())
        return found

    def failure(self, leaf: Leaf, n: int = 1) -> None:
        """Count calls that ended badly at a leaf."""
        failures = self.node(leaf.node).failures
        known = (leaf.kind, leaf.label) in failures or len(failures) < MAX_LABELS
        key = (leaf.kind, leaf.label if known else OTHER)
        failures[key] = failures.get(key, 0) + n
        if not failures[key]:
            del failures[key]

    def token(self, key: TokenKey) -> TokenCount:
        """The counters of a token."""
        if key not in self.tokens:
            key = self._bounded_token(key)
        self._touched["tok"].add(key)
        return self.tokens.setdefault(key, TokenCount())

    def left(self) -> Remainder:
        """The counters of what is not told in full."""
        self._touched["left"].add("out")
        return self.remainder

    def find(self, node: Node) -> NodeCount | None:
        """The counters of an operation, None when it was not met."""
        service = self.services.get(node.app_id)
        return service.operations.get(node.operation) if service else None

    def nodes(self) -> Iterator[tuple[Node, NodeCount]]:
        """All operations with their counters."""
        for app_id, service in self.services.items():
            for operation, count in service.operations.items():
                yield Node(app_id, operation), count

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add `other`, or take it back (`sign` −1)."""
        for entry, requests in other.requests.items():
            self.entry(entry).add(requests, sign)
        for key, count in other.tokens.items():
            self.token(key).add(count, sign)
        for app_id, service in other.services.items():
            mine = self.service(app_id)
            mine.recording = mine.recording or service.recording
            for version, (calls, failed) in service.versions.items():
                mine.answered(version, sign * calls, sign * failed)
            for operation, theirs in service.operations.items():
                node = Node(app_id, operation)
                operated = self.node(node)
                operated.calls += sign * theirs.calls
                operated.times.add(theirs.times, sign)
                for (kind, label), n in theirs.failures.items():
                    self.failure(Leaf(node, kind, label), sign * n)
                for callee, edge in theirs.callees.items():
                    self.edge(node, callee).add(edge, sign)
        if other.remainder != Remainder():
            self.left().add(other.remainder, sign)

    def _bounded(self, node: Node) -> Node:
        service = self.services.get(node.app_id)
        if service is None:
            return node if len(self.services) < MAX_SERVICES else Node(OTHER, OTHER)
        if node.operation in service.operations or len(service.operations) < MAX_OPERATIONS:
            return node
        return Node(node.app_id, OTHER)

    def _bounded_token(self, key: TokenKey) -> TokenKey:
        node = self._bounded(key.leaf.node)
        count = self.find(node)
        crowded = count is not None and len(count.failures) >= MAX_LABELS
        known = count is None or not crowded or (key.leaf.kind, key.leaf.label) in count.failures
        leaf = Leaf(node, key.leaf.kind, key.leaf.label if known else OTHER)
        if len(self.tokens) >= MAX_TOKENS:
            return TokenKey(key.asynchronous, (Step(node, How.ERROR, ""),), leaf, ())
        chain = tuple(Step(self._bounded(s.node), s.how, s.label) for s in key.chain)
        return TokenKey(key.asynchronous, chain, leaf, tuple(self._bounded(n) for n in key.alternatives))

    # Storing

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and payload of each row that was touched since the last time, in full."""
        touched = {kind: sorted(names) for kind, names in self._touched.items()}
        for names in self._touched.values():
            names.clear()
        for entry in touched["req"]:
            yield tally_rows.key("req", *entry), tally_rows.requests(entry, self.requests[entry])
        for token in touched["tok"]:
            yield tally_rows.token_key(token), tally_rows.token(token, self.tokens[token])
        for app_id in touched["svc"]:
            yield tally_rows.key(tally_rows.SERVICE, app_id), tally_rows.service(app_id, self.services[app_id])
        if touched["left"]:
            yield tally_rows.REMAINDER, tally_rows.remainder(self.remainder)

    def absorb(self, key: str, payload: Mapping[str, Any]) -> None:
        """Add a row that `drain` gave; raises ValueError for a key of another kind."""
        match key.partition(":")[0]:
            case "req":
                self.entry(Node(*payload["of"])).add(Requests(*payload["n"]))
            case "tok":
                token, count = tally_rows.read_token(payload)
                if count.traced > 0:
                    self.token(token).add(count)
            case "svc":
                one = Tally()
                one.services[payload["of"]] = tally_rows.read_service(payload)
                self.add(one)
            case "left":
                self.left().add(Remainder(*payload["n"]))
            case kind:
                raise ValueError(f"a counter of the unknown kind {kind!r}")
