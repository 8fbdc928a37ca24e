"""What is known of each leaf after the question: its requests, the way to them, and where it lies as a
coordinate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hemostat.coordinates.rules import exceptions, link
from hemostat.coordinates.rules.exceptions import ExceptionClass, NodeException
from hemostat.coordinates.rules.system import System
from hemostat.diagnosis.rules import tree
from hemostat.diagnosis.rules.evidence import Evidence, Track, sums
from hemostat.diagnosis.rules.rank import Finding
from hemostat.intake.readings import SpanKind
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import Leaf, LeafKind, Step

MAX_SAMPLES = 5
_SAYS_NOTHING = ("", "error")
_MET_BY_CALLER = frozenset({LeafKind.GONE, LeafKind.EDGE, LeafKind.UNSEEN, LeafKind.RESULT})


@dataclass(frozen=True, slots=True)
class _Raised:
    type: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a leaf keeps of a failing span, for classification."""

    kind: int
    exception: _Raised | None
    http_code: int
    failed: bool = True
    peer: str = ""
    business_code: str = ""
    result_error: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


def class_of(leaf: Leaf) -> ExceptionClass:
    """The class of a leaf, as the intake classes the span that raised it."""
    match leaf.kind:
        case LeafKind.SLOW:
            return ExceptionClass.SLOW
        case LeafKind.RESULT | LeafKind.UNSEEN:
            return ExceptionClass.RESULT
        case LeafKind.EDGE:
            return ExceptionClass.DEPENDENCY
    status = leaf.label.startswith("http ")
    raised = _Raised(leaf.label) if leaf.label not in _SAYS_NOTHING and not status else None
    kind = SpanKind.CLIENT if leaf.kind is LeafKind.GONE else SpanKind.SERVER
    return exceptions.classify(_Facts(kind, raised, int(leaf.label[5:]) if status else 0))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cause lies: the recorded systems down to it, and the exception inside the last."""

    path: tuple[System, ...]
    exception: NodeException

    @property
    def code(self) -> str:
        """`link code#exception code`."""
        return f"{link.code([s.code for s in self.path])}#{self.exception.code}"


@dataclass(slots=True)
class Case:
    """All that is known of one leaf. Counts are weighted."""

    leaf: Leaf
    chain: tuple[Step, ...] = ()
    """of most of its requests"""
    failing: float = 0.0
    """since the onset"""
    usual: float = 0.0
    """what would be usual for as many requests"""
    first_ns: int = 0
    """start of the first failing request since the onset, Unix nanoseconds; 0 when there is none"""
    samples: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    manners: dict[str, int] = field(default_factory=dict)
    moved_from: Leaf | None = None
    """the leaf whose requests were reassigned here, where it has none of its own"""

    @property
    def caller(self) -> str:
        """Who met the failure: the last other service on the way to the leaf; itself where there is none."""
        above = [s.node.app_id for s in self.chain if s.node.app_id != self.leaf.node.app_id]
        return above[-1] if above else self.leaf.node.app_id

    @property
    def error(self) -> str:
        """What the failure is called: at the leaf, else where it came from, else at the nearest caller;
        "" for nothing.
        """
        said = [self.leaf.label, self.moved_from.label if self.moved_from else ""]
        if self.leaf.kind is not LeafKind.INTERNAL:
            said += [step.label for step in reversed(self.chain[:-1])]
        return next((label for label in said if label not in _SAYS_NOTHING), "")


class Cases:
    """The leaves of a finding."""

    def __init__(self, evidence: Evidence, finding: Finding) -> None:
        self.evidence = evidence
        self.finding = finding
        self.named = frozenset(c.leaf for n in finding.named for c in n.leaves)
        """the leaves of the set of causes"""
        self._cases: dict[Leaf, Case] = {}
        tracks = sorted(evidence.tracks, key=self.after, reverse=True)
        for track in tracks:
            self._add(track, track.leaf, 1.0)
        for track in tracks:
            for move in finding.moves.get(track.leaf, ()):
                self._add(track, move.to, move.part)

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases.values())

    def of(self, leaf: Leaf) -> Case:
        """What is known of a leaf."""
        return self._cases.get(leaf) or Case(leaf)

    def after(self, track: Track) -> int:
        """Traced failing requests of a track since the onset."""
        split = self.finding.split
        return sums({i: c.traced for i, c in track.counts.items()}, split)[1] if split else 0

    def records(self, app_id: str) -> bool:
        """Whether a service sends spans of its own."""
        return app_id in self.evidence.recording

    def explained_by(self, leaf: Leaf) -> Node | None:
        """What the requests of a leaf were reassigned to, None when they count for itself."""
        moves = self.finding.moves.get(leaf)
        return moves[0].to.node if moves else None

    def ended_of_through(self, leaves: frozenset[Leaf], node: Node) -> tuple[float, float]:
        """Failing requests since the onset that end in `leaves`, and those that pass `node` or end there."""
        ended = through = 0.0
        for track in self.evidence.tracks:
            after = self.after(track)
            for nodes, leaf, part in tree.ways(self.evidence, self.finding, track):
                ended += after * part * (leaf in leaves)
                through += after * part * (leaf in leaves or node in nodes)
        return ended, through

    def place(self, case: Case) -> Place | None:
        """The coordinates of a case; those of its caller, where only the caller records the failure."""
        leaf = case.leaf
        systems = [System(*step.node) for step in case.chain if self.records(step.node.app_id)]
        by_caller = leaf.kind in _MET_BY_CALLER or not self.records(leaf.node.app_id)
        if by_caller:
            systems = [s for s in systems if s != System(*leaf.node)] or systems
        if not systems:
            return None
        peer = leaf.node.app_id if by_caller else ""
        return Place(tuple(systems), NodeException(systems[-1].code, class_of(leaf), case.error or "error", peer))

    def _add(self, track: Track, leaf: Leaf, part: float) -> None:
        split = self.finding.split
        case = self._cases.get(leaf)
        if case is None:
            chain = track.chain
            if leaf != track.leaf:
                way = self.evidence.route(track.leaf.node, leaf.node)
                chain = (*chain, *(Step(node, chain[-1].how, "") for node in way))
            moved_from = track.leaf if leaf != track.leaf else None
            case = self._cases[leaf] = Case(leaf, chain, moved_from=moved_from)
        for index, count in track.counts.items():
            if split is not None and index < split.at:
                case.usual += count.weighted * split.ratio * part
                continue
            case.failing += count.weighted * part
            if count.first_ns:
                case.first_ns = min(case.first_ns or count.first_ns, count.first_ns)
            fresh = [s for s in count.samples if s not in case.samples]
            case.samples += fresh[: MAX_SAMPLES - len(case.samples)]
            if track.leaf == leaf:
                for version, n in count.versions.items():
                    case.versions[version] = case.versions.get(version, 0) + n
                for manner, n in count.manners.items():
                    case.manners[manner] = case.manners.get(manner, 0) + n
