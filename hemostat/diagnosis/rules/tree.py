"""The exception tree: the sum of the walks, and the path from the entries to the set of causes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import TreeNode
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
    """Call edges between services on the way to the set of causes, outermost first, with their excess of
    failing requests.
    """
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
            steps = enumerate(pairwise(services))
            for edge, at in {edge: at for at, edge in steps if edge[0] != edge[1]}.items():
                excess[edge] = excess.get(edge, 0.0) + more * part
                depth[edge] = min(depth.get(edge, at), at)
    kept = [(edge, more) for edge, more in excess.items() if more >= MIN_EDGE]
    return sorted(kept, key=lambda e: (depth[e[0]], -e[1], e[0]))


@dataclass(slots=True)
class _Branch:
    """A node of the tree while it grows. Counts are traced failing requests after the onset."""

    through: float = 0.0
    before: float = 0.0
    """the same before the onset, at the exposure of after"""
    ended: dict[Leaf, float] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)
    children: dict[Node, _Branch] = field(default_factory=dict)

    def error(self) -> str:
        """What most requests met here."""
        return max(self.labels, key=lambda label: (self.labels[label], label), default="")


def build(
    evidence: Evidence,
    finding: Finding,
    ranks: Mapping[Leaf, int],
    noise: Callable[[Leaf], Text | None],
) -> tuple[TreeNode, ...]:
    """The tree of all failing requests since the onset (or of the whole window), entries first, the largest
    first.

    `ranks` gives the leaves of named causes, `noise` why a leaf is noise.
    """
    root = _Branch()
    split = finding.split
    for track in evidence.tracks:
        before, after = 0, sum(c.traced for c in track.counts.values())
        if split is not None:
            before, after = sums({i: c.traced for i, c in track.counts.items()}, split)
        if not after:
            continue
        usual = before * split.ratio if split else 0.0
        labels = {step.node: step.label for step in track.chain}
        for nodes, leaf, part in ways(evidence, finding, track):
            branch = root
            for node in nodes:
                branch = branch.children.setdefault(node, _Branch())
                branch.through += after * part
                branch.before += usual * part
                label = labels.get(node) or (leaf.label if node == leaf.node else "")
                if label:
                    branch.labels[label] = branch.labels.get(label, 0.0) + after * part
            branch.ended[leaf] = branch.ended.get(leaf, 0.0) + after * part
    return _nodes(root, ranks, noise)


def _nodes(branch: _Branch, ranks: Mapping[Leaf, int], noise: Callable[[Leaf], Text | None]) -> tuple[TreeNode, ...]:
    out = []
    for node, child in sorted(branch.children.items(), key=lambda c: (-c[1].through, c[0])):
        cause = min((ranks[leaf] for leaf in child.ended if leaf in ranks), default=None)
        below = _nodes(child, ranks, noise)
        reason = None
        if cause is None and child.ended and not any(_leads_to_cause(b) for b in below):
            reason = noise(max(child.ended, key=lambda leaf: (child.ended[leaf], leaf)))
        out.append(
            TreeNode(
                app_id=node.app_id,
                operation=node.operation,
                error=child.error(),
                through=round(child.through),
                ended=round(sum(child.ended.values())),
                baseline=round(child.before, 1),
                cause_rank=cause,
                noise=reason,
                children=below,
            )
        )
    return tuple(out)


def _leads_to_cause(node: TreeNode) -> bool:
    return node.cause_rank is not None or any(_leads_to_cause(child) for child in node.children)
