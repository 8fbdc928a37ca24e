"""Counters of a stretch of time: what attribution writes for each ten seconds, and what diagnosis reads.

A tally is a sum: of traces in a bucket, of the buckets of several intake processes, of buckets into minutes.
It is stored as rows of JSON (`rows`, `absorb`): one for each service, entry and token, so that a row is small
and only what changed is written again. Names are bounded in each tally; what lies beyond the bounds is
counted under `(other)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import How, Leaf, LeafKind, Step, TokenKey

OTHER = "(other)"
MAX_SERVICES = 2_000
MAX_OPERATIONS = 200
"""of one service"""
MAX_LABELS = 30
"""of one operation"""
MAX_CALLEES = 500
"""of one operation"""
MAX_TOKENS = 1_000
MAX_VERSIONS = 20
MAX_SAMPLES = 5


def _key(kind: str, *parts: str) -> str:
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
    return f"{kind}:{digest}"


@dataclass(slots=True)
class Requests:
    """Requests from outside to one entry. Weighted counts say how many there were, plain ones how many
    were traced.
    """

    weighted: float = 0.0
    weighted_failed: float = 0.0
    traced: int = 0
    failed: int = 0

    def add(self, other: Requests, sign: int = 1) -> None:
        """Add or take back."""
        self.weighted += sign * other.weighted
        self.weighted_failed += sign * other.weighted_failed
        self.traced += sign * other.traced
        self.failed += sign * other.failed


@dataclass(slots=True)
class TokenCount:
    """Failing requests of one token."""

    weighted: float = 0.0
    traced: int = 0
    first_ns: int = 0
    """start of the earliest request, Unix nanoseconds"""
    samples: list[str] = field(default_factory=list)
    """trace ids, hex"""
    versions: dict[str, int] = field(default_factory=dict)
    """versions of the leaf's service that were met"""

    def add(self, other: TokenCount, sign: int = 1) -> None:
        """Add or take back."""
        self.weighted += sign * other.weighted
        self.traced += sign * other.traced
        if sign > 0:
            self.first_ns = min(self.first_ns or other.first_ns, other.first_ns or self.first_ns)
            fresh = [s for s in other.samples if s not in self.samples]
            self.samples += fresh[: MAX_SAMPLES - len(self.samples)]
        else:
            self.samples = [s for s in self.samples if s not in other.samples]
        _add_counts(self.versions, other.versions, sign)


@dataclass(slots=True)
class Times:
    """Sums over own times, from which geometric mean, spread and mean follow; nanoseconds."""

    n: int = 0
    log: float = 0.0
    log_squared: float = 0.0
    total: float = 0.0

    def add(self, other: Times, sign: int = 1) -> None:
        """Add or take back."""
        self.n += sign * other.n
        self.log += sign * other.log
        self.log_squared += sign * other.log_squared
        self.total += sign * other.total


@dataclass(slots=True)
class Edge:
    """Calls of one operation to one other."""

    calls: int = 0
    decisive: int = 0
    """times that the callee failed for good and nothing else could have decided the caller's fate"""
    caller_failed: int = 0
    """of these, how often the caller failed"""
    behind: int = 0
    """times that the callee was seen behind the caller, which records nothing itself"""

    def add(self, other: Edge, sign: int = 1) -> None:
        """Add or take back."""
        self.calls += sign * other.calls
        self.decisive += sign * other.decisive
        self.caller_failed += sign * other.caller_failed
        self.behind += sign * other.behind


@dataclass(slots=True)
class NodeCount:
    """What happened at one operation."""

    calls: int = 0
    times: Times = field(default_factory=Times)
    failures: dict[tuple[LeafKind, str], int] = field(default_factory=dict)
    """calls that ended here badly, every attempt, by kind and label, whether or not an entry failed"""
    callees: dict[Node, Edge] = field(default_factory=dict)


@dataclass(slots=True)
class ServiceCount:
    """What happened in one service."""

    recording: bool = False
    """it has sent spans of its own"""
    operations: dict[str, NodeCount] = field(default_factory=dict)
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """version → calls answered, of these failed"""

    def answered(self, version: str, calls: int, failed: int) -> None:
        """Count calls answered by a version."""
        if version not in self.versions and len(self.versions) >= MAX_VERSIONS:
            version = OTHER
        had_calls, had_failed = self.versions.get(version, (0, 0))
        self.versions[version] = (had_calls + calls, had_failed + failed)


@dataclass(slots=True)
class Remainder:
    """What the counters do not tell in full."""

    late_spans: int = 0
    """came after their trace was closed"""
    sampled_out: int = 0
    """spans of traces that were left out above the budget"""
    cut_traces: int = 0
    """closed early, or shortened, because too much was open"""
    answered: int = 0
    """calls that ended well, to services that record"""
    unseen: int = 0
    """of these, how many have no server span: the share of telemetry that is lost"""

    def add(self, other: Remainder, sign: int = 1) -> None:
        """Add or take back."""
        self.late_spans += sign * other.late_spans
        self.sampled_out += sign * other.sampled_out
        self.cut_traces += sign * other.cut_traces
        self.answered += sign * other.answered
        self.unseen += sign * other.unseen


def _add_counts(into: dict[Any, int], other: Mapping[Any, int], sign: int) -> None:
    for key, n in other.items():
        left = into.get(key, 0) + sign * n
        if left:
            into[key] = left
        else:
            into.pop(key, None)


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

    # -- counting
    # ----------------------------------------------------------------------------------------------

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
                count = self.node(node)
                count.calls += sign * theirs.calls
                count.times.add(theirs.times, sign)
                for (kind, label), n in theirs.failures.items():
                    self.failure(Leaf(node, kind, label), sign * n)
                for callee, edge in theirs.callees.items():
                    self.edge(node, callee).add(edge, sign)
        if other.remainder != _NOTHING_LEFT_OUT:
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

    # -- storing
    # -----------------------------------------------------------------------------------------------

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and payload of each row that was touched since the last time, in full."""
        touched = {kind: sorted(names) for kind, names in self._touched.items()}
        for names in self._touched.values():
            names.clear()
        for entry in touched["req"]:
            yield _key("req", *entry), _requests_payload(entry, self.requests[entry])
        for token in touched["tok"]:
            yield token_row(token), _token_payload(token, self.tokens[token])
        for app_id in touched["svc"]:
            yield _key("svc", app_id), _service_payload(app_id, self.services[app_id])
        if touched["left"]:
            left = self.remainder
            numbers = [left.late_spans, left.sampled_out, left.cut_traces, left.answered, left.unseen]
            yield "left:out", {"n": numbers}

    def absorb(self, key: str, payload: Mapping[str, Any]) -> None:
        """Add a row that `drain` gave; raises ValueError for a key of another kind."""
        match key.partition(":")[0]:
            case "req":
                self.entry(Node(*payload["of"])).add(Requests(*payload["n"]))
            case "tok":
                token, count = _read_token(payload)
                if count.traced > 0:
                    self.token(token).add(count)
            case "svc":
                one = Tally()
                one.services[payload["of"]] = _read_service(payload)
                self.add(one)
            case "left":
                self.left().add(Remainder(*payload["n"]))
            case kind:
                raise ValueError(f"a counter of the unknown kind {kind!r}")


_NOTHING_LEFT_OUT = Remainder()


def token_row(token: TokenKey) -> str:
    """The key under which a token is stored."""
    parts = ["a" if token.asynchronous else "s", *token.leaf.node, token.leaf.kind, token.leaf.label, ""]
    for step in token.chain:
        parts += [*step.node, step.how, step.label]
    for node in token.alternatives:
        parts += ["", *node]
    return _key("tok", *parts)


def _requests_payload(entry: Node, count: Requests) -> dict[str, Any]:
    numbers = [count.weighted, count.weighted_failed, count.traced, count.failed]
    return {"of": list(entry), "n": numbers}


def _token_payload(token: TokenKey, count: TokenCount) -> dict[str, Any]:
    return {
        "async": token.asynchronous,
        "chain": [[*s.node, s.how, s.label] for s in token.chain],
        "leaf": [*token.leaf.node, token.leaf.kind, token.leaf.label],
        "alt": [list(n) for n in token.alternatives],
        "n": [count.weighted, count.traced],
        "first": count.first_ns,
        "samples": count.samples,
        "versions": count.versions,
    }


def _read_token(payload: Mapping[str, Any]) -> tuple[TokenKey, TokenCount]:
    app_id, operation, kind, label = payload["leaf"]
    token = TokenKey(
        asynchronous=payload["async"],
        chain=tuple(Step(Node(a, o), How(h), said) for a, o, h, said in payload["chain"]),
        leaf=Leaf(Node(app_id, operation), LeafKind(kind), label),
        alternatives=tuple(Node(*n) for n in payload["alt"]),
    )
    weighted, traced = payload["n"]
    return token, TokenCount(weighted, traced, payload["first"], payload["samples"], payload["versions"])


def _service_payload(app_id: str, service: ServiceCount) -> dict[str, Any]:
    return {
        "of": app_id,
        "recording": service.recording,
        "ops": {
            operation: {
                "calls": count.calls,
                "times": [count.times.n, count.times.log, count.times.log_squared, count.times.total],
                "failures": [[kind, label, n] for (kind, label), n in count.failures.items()],
                "callees": [
                    [*callee, e.calls, e.decisive, e.caller_failed, e.behind] for callee, e in count.callees.items()
                ],
            }
            for operation, count in service.operations.items()
        },
        "versions": {version: list(counts) for version, counts in service.versions.items()},
    }


def _read_service(payload: Mapping[str, Any]) -> ServiceCount:
    return ServiceCount(
        recording=payload["recording"],
        operations={
            operation: NodeCount(
                calls=op["calls"],
                times=Times(*op["times"]),
                failures={(LeafKind(kind), label): n for kind, label, n in op["failures"]},
                callees={Node(a, o): Edge(*numbers) for a, o, *numbers in op["callees"]},
            )
            for operation, op in payload["ops"].items()
        },
        versions={version: (calls, failed) for version, (calls, failed) in payload["versions"].items()},
    )
