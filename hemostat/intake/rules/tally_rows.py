"""Counters as rows: a key and a JSON payload for each entry, token and service."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hemostat.intake.rules.counts import Edge, NodeCount, Remainder, Requests, ServiceCount, Times, TokenCount
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import How, Leaf, LeafKind, Step, TokenKey

REMAINDER = "left:out"
SERVICE = "svc"
"""The kind of the rows of services."""


def key(kind: str, *parts: str) -> str:
    """The key of a row: its kind, and a hash of what it counts."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
    return f"{kind}:{digest}"


def token_key(token: TokenKey) -> str:
    """The key of a token's row."""
    parts = ["a" if token.asynchronous else "s", *token.leaf.node, token.leaf.kind, token.leaf.label, ""]
    for step in token.chain:
        parts += [*step.node, step.how, step.label]
    for node in token.alternatives:
        parts += ["", *node]
    return key("tok", *parts)


def requests(entry: Node, count: Requests) -> dict[str, Any]:
    """The payload of requests to an entry."""
    numbers = [count.weighted, count.weighted_failed, count.traced, count.failed]
    return {"of": list(entry), "n": numbers}


def token(token: TokenKey, count: TokenCount) -> dict[str, Any]:
    """The payload of a token."""
    return {
        "async": token.asynchronous,
        "chain": [[*s.node, s.how, s.label] for s in token.chain],
        "leaf": [*token.leaf.node, token.leaf.kind, token.leaf.label],
        "alt": [list(n) for n in token.alternatives],
        "n": [count.weighted, count.traced],
        "first": count.first_ns,
        "samples": count.samples,
        "versions": count.versions,
        "manners": count.manners,
    }


def read_token(payload: Mapping[str, Any]) -> tuple[TokenKey, TokenCount]:
    """Read what `token` wrote."""
    app_id, operation, kind, label = payload["leaf"]
    token = TokenKey(
        asynchronous=payload["async"],
        chain=tuple(Step(Node(a, o), How(h), said) for a, o, h, said in payload["chain"]),
        leaf=Leaf(Node(app_id, operation), LeafKind(kind), label),
        alternatives=tuple(Node(*n) for n in payload["alt"]),
    )
    weighted, traced = payload["n"]
    return token, TokenCount(
        weighted, traced, payload["first"], payload["samples"], payload["versions"], payload.get("manners", {})
    )


def service(app_id: str, counted: ServiceCount) -> dict[str, Any]:
    """The payload of a service."""
    return {
        "of": app_id,
        "recording": counted.recording,
        "ops": {
            operation: {
                "calls": count.calls,
                "times": [count.times.n, count.times.log, count.times.log_squared, count.times.total],
                "failures": [[kind, label, n] for (kind, label), n in count.failures.items()],
                "callees": [
                    [*callee, e.calls, e.decisive, e.caller_failed, e.behind] for callee, e in count.callees.items()
                ],
            }
            for operation, count in counted.operations.items()
        },
        "versions": {version: list(counts) for version, counts in counted.versions.items()},
    }


def read_service(payload: Mapping[str, Any]) -> ServiceCount:
    """Read what `service` wrote."""
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


def remainder(left: Remainder) -> dict[str, Any]:
    """The payload of what is not told in full."""
    return {"n": [left.late_spans, left.sampled_out, left.cut_traces, left.answered, left.unseen]}
