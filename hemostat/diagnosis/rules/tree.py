"""The exception tree: the sum of the walks, and the path from the entries to the set of causes."""

from __future__ import annotations

from collections.abc import Iterator

from hemostat.diagnosis.rules.evidence import Evidence, Track, sums
from hemostat.diagnosis.rules.rank import Finding
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import Leaf

MIN_EDGE = 1.5
"""Excess failing requests from which an edge belongs to the path."""


def ways(evidence: Evidence, finding: Finding, track: Track) -> Iterator[tuple[tuple[Node, ...], Leaf, float]]:
    """Where a track's requests went in the end: nodes from the entry on, leaf, and which part of them.

    Moved tokens follow the calls that are known from the leaf to what explains it.
    """
    nodes = tuple(step.node for step in track.chain)
    if track.leaf not in finding.moves:
        yield nodes, track.leaf, 1.0
        return
    for move in finding.moves[track.leaf]:
        yield (*nodes, *evidence.route(track.leaf.node, move.to.node)), move.to, move.part


def path_edges(evidence: Evidence, finding: Finding) -> list[tuple[tuple[str, str], float]]:
    """Call edges between services on the way to the set of causes, outermost first, with their excess of failing requests."""
    if finding.split is None:
        return []
    targets = {c.leaf for named in finding.named for c in named.leaves}
    excess: dict[tuple[str, str], float] = {}
    depth: dict[tuple[str, str], int] = {}
    for track in evidence.tracks:
        before, after = sums({i: c.traced for i, c in track.counts.items()}, finding.split)
        more = after - before * finding.split.ratio
        for nodes, leaf, part in ways(evidence, finding, track):
            if leaf not in targets:
                continue
            services = [node.app_id for node in nodes]
            steps = enumerate(zip(services, services[1:], strict=False))
            for edge, at in {edge: at for at, edge in steps if edge[0] != edge[1]}.items():
                excess[edge] = excess.get(edge, 0.0) + more * part
                depth[edge] = min(depth.get(edge, at), at)
    kept = [(edge, more) for edge, more in excess.items() if more >= MIN_EDGE]
    return sorted(kept, key=lambda e: (depth[e[0]], -e[1], e[0]))
