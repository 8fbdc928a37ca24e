"""Putting a finding into words: each cause in one sentence, what every rule has to say for it, how sure,
and what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hemostat.base.texts import Text
from hemostat.coordinates.rules import exceptions, link
from hemostat.coordinates.rules.exceptions import ExceptionClass, NodeException
from hemostat.coordinates.rules.system import System
from hemostat.diagnosis.rules import tree
from hemostat.diagnosis.rules.answer import (
    Answer,
    Cause,
    Confidence,
    Contribution,
    Noise,
    Verdict,
)
from hemostat.diagnosis.rules.evidence import Evidence, Track, sums
from hemostat.diagnosis.rules.rank import MIN_EXCESS, Candidate, Finding, Named
from hemostat.intake.readings import SpanKind
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import Leaf, LeafKind, Step

MAX_OTHERS = 4
"""Runners-up that are shown beside the set of causes."""
MAX_NOISE = 20
MAX_SAMPLES = 5
SURE = -20.0
FAIRLY_SURE = -9.0
"""Log chances from which a cause is very likely, and likely."""
LOST_WORTH_TELLING = 0.05

_REFUSED = re.compile(
    r"refused|connect(?:error|exception)|connection ?(?:reset|aborted|closed)", re.IGNORECASE
)
_TIMEOUT = re.compile(r"time(?:d )?[ -]?out|deadline", re.IGNORECASE)
_UNKNOWN = re.compile(r"unknown ?host|gaierror|getaddrinfo|name or service", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Raised:
    type: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is left of a failing span in a leaf, for classification."""

    kind: int
    exception: _Raised | None
    failed: bool = True
    http_code: int = 0
    peer: str = ""
    business_code: str = ""
    result_error: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


def class_of(leaf: Leaf) -> ExceptionClass:
    """The class of a leaf as the intake classes the span that raised it."""
    match leaf.kind:
        case LeafKind.SLOW:
            return ExceptionClass.SLOW
        case LeafKind.RESULT | LeafKind.UNSEEN:
            return ExceptionClass.RESULT
        case LeafKind.EDGE:
            return ExceptionClass.DEPENDENCY
    told = leaf.label if leaf.label and not leaf.label.startswith("http ") else ""
    code = int(leaf.label.removeprefix("http ")) if leaf.label.startswith("http ") else 0
    kind = SpanKind.CLIENT if leaf.kind is LeafKind.GONE else SpanKind.SERVER
    return exceptions.classify(_Facts(kind, _Raised(told) if told else None, http_code=code))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cause lies, as coordinates: the recorded systems down to it, and the exception."""

    path: tuple[System, ...]
    exception: NodeException

    @property
    def code(self) -> str:
        """`link code#exception code`."""
        return f"{link.code([s.code for s in self.path])}#{self.exception.code}"


@dataclass(slots=True)
class _Case:
    """All that is known of one leaf."""

    leaf: Leaf
    chain: tuple[Step, ...]
    """of most of its requests"""
    failing: float = 0.0
    """weighted, since the onset"""
    usual: float = 0.0
    first_ns: int = 0
    samples: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    moved_from: Leaf | None = None

    @property
    def caller(self) -> str:
        """Who met the failure: the last service on the way to the leaf."""
        above = [s.node.app_id for s in self.chain if s.node.app_id != self.leaf.node.app_id]
        return above[-1] if above else self.leaf.node.app_id


class Explainer:
    """Puts one finding into words; `answer` is the way in."""

    def __init__(self, evidence: Evidence, finding: Finding, *, environment: str, at: datetime) -> None:
        self.evidence = evidence
        self.finding = finding
        self.environment = environment
        self.at = at
        self.cases = self._cases()
        firsts = [
            c.first_ns
            for n in finding.named
            for k in n.leaves
            if (c := self.cases.get(k.leaf)) and c.first_ns
        ]
        self.first_ns = min(firsts, default=0)

    def answer(self) -> Answer:
        """The whole answer."""
        causes = [self._cause(rank, named) for rank, named in enumerate(self.finding.named, 1)]
        causes += self._others(len(causes) + 1)
        ranks = {c.leaf: rank for rank, n in enumerate(self.finding.named, 1) for c in n.leaves}
        onset = self.evidence.stretches[self.finding.split.at].start if self.finding.split else None
        return Answer(
            environment=self.environment,
            at=self.at,
            onset_at=datetime.fromtimestamp(onset, UTC) if onset is not None and self.finding.named else None,
            verdict=self.finding.verdict,
            causes=tuple(causes),
            tree=tree.build(self.evidence, self.finding, ranks, self._noise_reason),
            path=tuple(edge for edge, _ in tree.path_edges(self.evidence, self.finding)),
            noise=tuple(self._noise()),
            missing=tuple(self._missing()),
        )

    def places(self) -> list[Place]:
        """The coordinates of the set of causes, so that they can be registered."""
        return [
            place
            for named in self.finding.named
            if (place := self._place(self._case(named.main.leaf))) is not None
        ]

    # -- gathering
    # ---------------------------------------------------------------------------------------------

    def _cases(self) -> dict[Leaf, _Case]:
        cases: dict[Leaf, _Case] = {}
        tracks = sorted(self.evidence.tracks, key=self._after, reverse=True)
        for track in tracks:
            self._add(cases, track, track.leaf, 1.0)
        for track in tracks:
            for move in self.finding.moves.get(track.leaf, ()):
                self._add(cases, track, move.to, move.part)
        return cases

    def _after(self, track: Track) -> int:
        return (
            sums({i: c.traced for i, c in track.counts.items()}, self.finding.split)[1]
            if self.finding.split
            else 0
        )

    def _add(self, cases: dict[Leaf, _Case], track: Track, leaf: Leaf, part: float) -> None:
        split = self.finding.split
        case = cases.get(leaf)
        if case is None:
            moved = leaf != track.leaf
            chain = track.chain
            if moved:
                way = self.evidence.route(track.leaf.node, leaf.node)
                chain = (*chain, *(Step(node, track.chain[-1].how, "") for node in way))
            case = cases[leaf] = _Case(leaf, chain, moved_from=track.leaf if moved else None)
        for index, count in track.counts.items():
            if split is not None and index < split.at:
                case.usual += count.weighted * split.ratio * part
                continue
            case.failing += count.weighted * part
            if count.first_ns:
                case.first_ns = min(case.first_ns or count.first_ns, count.first_ns)
            case.samples += [s for s in count.samples if s not in case.samples][
                : MAX_SAMPLES - len(case.samples)
            ]
            if track.leaf == leaf:
                for version, n in count.versions.items():
                    case.versions[version] = case.versions.get(version, 0) + n

    def _case(self, leaf: Leaf) -> _Case:
        return self.cases.get(leaf) or _Case(leaf, ())

    def _records(self, app_id: str) -> bool:
        return app_id in self.evidence.recording

    # -- causes
    # ------------------------------------------------------------------------------------------------

    def _cause(self, rank: int, named: Named) -> Cause:
        main = named.main
        case = self._case(main.leaf)
        all_cases = [self._case(c.leaf) for c in named.leaves]
        failing = round(sum(c.failing for c in all_cases))
        usual = sum(c.usual for c in all_cases)
        place = self._place(case)
        return Cause(
            rank=rank,
            app_id=named.app_id,
            operation=main.leaf.node.operation,
            exception_class=class_of(main.leaf),
            error=self._error(case),
            coordinate=place.code if place else "",
            peer="" if self._records(named.app_id) else named.app_id,
            share=named.share,
            failing=failing,
            baseline=round(usual, 1),
            first_at=datetime.fromtimestamp(case.first_ns / 1e9, UTC) if case.first_ns else None,
            confidence=self._confidence(named),
            in_cause_set=True,
            sentence=self.sentence(case),
            contributions=self._contributions(named, case, failing, usual),
            samples=tuple(case.samples),
            versions=tuple(self._versions_newest_first(case)),
        )

    def _error(self, case: _Case) -> str:
        """What the failure is called: at the leaf, else at the caller who met it."""
        if case.leaf.label not in ("", "error"):
            return case.leaf.label
        if case.moved_from is not None and case.moved_from.label not in ("", "error"):
            return case.moved_from.label
        if case.leaf.kind in (LeafKind.GONE, LeafKind.EDGE, LeafKind.UNSEEN, LeafKind.SLOW):
            above = [s.label for s in case.chain[:-1] if s.label not in ("", "error")]
            return above[-1] if above else ""
        return ""

    def _confidence(self, named: Named) -> Confidence:
        if self.finding.verdict is Verdict.WEAK:
            return Confidence.GUESS
        chance = min(c.log_chance for c in named.leaves)
        steps = [Confidence.POSSIBLE, Confidence.LIKELY, Confidence.VERY_LIKELY]
        level = 2 if chance < SURE else 1 if chance < FAIRLY_SURE else 0
        if named.share < 0.05 and len(self.finding.named) > 1:
            level -= 1
        if named.main.leaf.kind is LeafKind.UNSEEN:
            level -= 1
        return steps[max(0, level)]

    def _place(self, case: _Case) -> Place | None:
        """Coordinates of a cause; those of its caller where the cause records nothing."""
        systems = [System(*s.node) for s in case.chain if self._records(s.node.app_id)]
        leaf = case.leaf
        error = self._error(case) or "error"
        met_by_caller = leaf.kind in (
            LeafKind.GONE,
            LeafKind.EDGE,
            LeafKind.UNSEEN,
            LeafKind.RESULT,
        ) or not self._records(leaf.node.app_id)
        if met_by_caller:
            systems = [s for s in systems if s != System(*leaf.node)] or systems
        if not systems:
            return None
        peer = leaf.node.app_id if met_by_caller else ""
        return Place(tuple(systems), NodeException(systems[-1].code, class_of(leaf), error, peer))

    def sentence(self, case: _Case) -> Text:
        """The cause in one sentence."""
        leaf = case.leaf
        error = self._error(case)
        params = {
            "service": leaf.node.app_id,
            "operation": leaf.node.operation,
            "caller": case.caller,
            "error": error or "an error",
        }
        match leaf.kind:
            case LeafKind.GONE:
                return Text(f"diagnosis.gone.{self._manner(leaf, error)}", params)
            case LeafKind.UNSEEN:
                return Text("diagnosis.unseen", params)
            case LeafKind.EDGE:
                return Text("diagnosis.edge", params)
            case LeafKind.RESULT:
                return Text("diagnosis.result", params)
            case LeafKind.SLOW:
                if case.moved_from is not None:
                    params |= {"caller": case.moved_from.node.app_id, "error": case.moved_from.label}
                    return Text("diagnosis.slow.exhausts", params)
                return Text("diagnosis.slow", params)
        return self._internal(case, error, params)

    @staticmethod
    def _manner(leaf: Leaf, error: str) -> str:
        if exceptions.is_resource(error):
            return "resource"
        for manner, pattern in (("unknown", _UNKNOWN), ("timeout", _TIMEOUT), ("refused", _REFUSED)):
            if pattern.search(error):
                return manner
        if not error:
            return "silent"
        return "result" if class_of(leaf) is ExceptionClass.RESULT else "other"

    def _internal(self, case: _Case, error: str, params: dict[str, object]) -> Text:
        if not error:
            return Text("diagnosis.internal.silent", params)
        version = self._guilty_version(case)
        if version is not None:
            before = case.first_ns / 1e9 - version[1]
            if before >= 1:
                return Text(
                    "diagnosis.internal.version", {**params, "version": version[0], "before": round(before)}
                )
            return Text("diagnosis.internal.version_same_time", {**params, "version": version[0]})
        if exceptions.is_resource(error):
            return Text("diagnosis.internal.resource", params)
        if error.startswith("http "):
            return Text("diagnosis.internal.http", params)
        return Text("diagnosis.internal", params)

    # -- versions
    # ----------------------------------------------------------------------------------------------

    def _first_seen(self, app_id: str) -> dict[str, int]:
        """When each version of a service was first seen in the window, Unix seconds."""
        seen: dict[str, int] = {}
        for stretch in self.evidence.stretches:
            service = stretch.tally.services.get(app_id)
            for version in service.versions if service else ():
                if version:
                    seen.setdefault(version, stretch.start)
        return seen

    def _versions_newest_first(self, case: _Case) -> list[str]:
        seen = self._first_seen(case.leaf.node.app_id)
        return sorted(case.versions, key=lambda v: (-seen.get(v, 0), v))

    def _guilty_version(self, case: _Case) -> tuple[str, int] | None:
        """The version that all failures are on, and when it came, if it came within the window and after
        another.
        """
        if len(case.versions) != 1:
            return None
        (version,) = case.versions
        seen = self._first_seen(case.leaf.node.app_id)
        others = [at for v, at in seen.items() if v != version]
        came = seen.get(version)
        if came is None or not others or came <= min(others):
            return None
        return version, came

    # -- rules
    # -------------------------------------------------------------------------------------------------

    def _contributions(
        self, named: Named, case: _Case, failing: int, usual: float
    ) -> tuple[Contribution, ...]:
        return (
            self._time(case, named.main),
            self._depth(named, case),
            Contribution(
                "count",
                round(named.share, 3),
                Text(
                    "diagnosis.count", {"failing": failing, "baseline": round(usual, 1), "share": named.share}
                ),
            ),
            self._noise_taken_out(named, failing, usual),
        )

    def _time(self, case: _Case, main: Candidate) -> Contribution:
        if not case.first_ns:
            return Contribution("time", 0.0, Text("diagnosis.time.later", {"after": 0}))
        at = datetime.fromtimestamp(case.first_ns / 1e9, UTC).isoformat()
        later = (case.first_ns - self.first_ns) / 1e9
        if later > 0.0:
            score = max(0.0, 1.0 - later / 60)
            return Contribution("time", round(score, 3), Text("diagnosis.time.later", {"after": later}))
        if main.before == 0:
            return Contribution("time", 1.0, Text("diagnosis.time.first", {"at": at}))
        return Contribution("time", 0.8, Text("diagnosis.time.rose", {"at": at}))

    def _depth(self, named: Named, case: _Case) -> Contribution:
        """Of the failing requests that pass the cause, those that end there."""
        leaves = {c.leaf for c in named.leaves}
        through = ended = 0.0
        for track in self.evidence.tracks:
            after = self._after(track)
            for nodes, leaf, part in tree.ways(self.evidence, self.finding, track):
                if leaf in leaves:
                    ended += after * part
                if case.leaf.node in nodes or leaf in leaves:
                    through += after * part
        score = round(min(1.0, ended / through), 3) if through else 1.0
        if score < 0.95:
            params = {"through": round(through), "ended": round(ended)}
            return Contribution("depth", score, Text("diagnosis.depth.partly", params))
        alone = case.caller == case.leaf.node.app_id
        return Contribution(
            "depth", score, Text("diagnosis.depth.entry" if alone else "diagnosis.depth.deepest")
        )

    def _noise_taken_out(self, named: Named, failing: int, usual: float) -> Contribution:
        score = round(max(0.0, 1.0 - usual / failing), 3) if failing else 0.0
        if usual >= 0.5:
            return Contribution(
                "noise", score, Text("diagnosis.noise.some", {"baseline": usual, "failing": failing})
            )
        absorbed = sum(self._absorbed(c.leaf) for c in named.leaves)
        if absorbed:
            return Contribution("noise", score, Text("diagnosis.noise.absorbed", {"absorbed": absorbed}))
        return Contribution("noise", score, Text("diagnosis.noise.none"))

    def _absorbed(self, leaf: Leaf) -> int:
        """Failed attempts since the onset that did not decide a request."""
        if self.finding.split is None:
            return 0
        attempts = self.evidence.failures(leaf, self.finding.split)[1]
        decided = sums(self.evidence.series.get(leaf, {}), self.finding.split)[1]
        return max(0, attempts - decided)

    # -- runners-up and noise
    # ----------------------------------------------------------------------------------

    def _others(self, rank: int) -> list[Cause]:
        """What else rose: shown beside the set, never part of it."""
        causes = []
        for candidate in self._apart()[:MAX_OTHERS]:
            case = self._case(candidate.leaf)
            place = self._place(case)
            failing = round(case.failing)
            target = self._explained_by(candidate.leaf)
            params = {
                "service": candidate.leaf.node.app_id,
                "operation": candidate.leaf.node.operation,
                "failing": failing,
                "error": self._error(case) or "an error",
            }
            causes.append(
                Cause(
                    rank=rank + len(causes),
                    app_id=candidate.leaf.node.app_id,
                    operation=candidate.leaf.node.operation,
                    exception_class=class_of(candidate.leaf),
                    error=self._error(case),
                    coordinate=place.code if place else "",
                    peer="" if self._records(candidate.leaf.node.app_id) else candidate.leaf.node.app_id,
                    share=min(
                        1.0, max(0.0, candidate.excess / max(self.finding.excess, candidate.excess, 1e-9))
                    ),
                    failing=failing,
                    baseline=round(case.usual, 1),
                    first_at=datetime.fromtimestamp(case.first_ns / 1e9, UTC) if case.first_ns else None,
                    confidence=Confidence.GUESS,
                    in_cause_set=False,
                    sentence=Text("diagnosis.not_in_set" if target else "diagnosis.rising", params),
                    samples=tuple(case.samples),
                )
            )
        return causes

    def _apart(self) -> list[Candidate]:
        in_set = {c.leaf for n in self.finding.named for c in n.leaves}
        return [c for c in self.finding.rising if c.leaf not in in_set and c.excess >= 2]

    def _explained_by(self, leaf: Leaf) -> str | None:
        moves: Sequence[object] = self.finding.moves.get(leaf, ())
        return self.finding.moves[leaf][0].to.node.app_id if moves else None

    def _noise_reason(self, leaf: Leaf) -> Text | None:
        """Why a leaf that is no cause is noise; None where there is no set of causes to set it apart from."""
        target = self._explained_by(leaf)
        if target is not None:
            return Text("diagnosis.noise.consequence", {"service": target})
        case = self._case(leaf)
        if case.failing - case.usual >= 2 and case.failing > 1.5 * case.usual:
            return Text("diagnosis.noise.chance")
        return Text("diagnosis.noise.usual")

    def _noise(self) -> list[Noise]:
        split = self.finding.split
        in_set = {c.leaf for n in self.finding.named for c in n.leaves}
        found = [
            Noise(leaf.node.app_id, leaf.node.operation, leaf.label, round(case.failing), reason)
            for leaf, case in self.cases.items()
            if leaf not in in_set and round(case.failing) and (reason := self._noise_reason(leaf)) is not None
        ]
        decided = {(leaf.node, leaf.kind, leaf.label) for leaf in self.cases}
        tolerated: dict[tuple[Node, str], int] = {}
        for stretch in self.evidence.stretches[split.at if split else 0 :]:
            for node, count in stretch.tally.nodes():
                for (kind, label), n in count.failures.items():
                    if (node, kind, label) not in decided and n > 0:
                        tolerated[(node, label)] = tolerated.get((node, label), 0) + n
        found += [
            Noise(node.app_id, node.operation, label, n, Text("diagnosis.noise.tolerated"))
            for (node, label), n in tolerated.items()
        ]
        return sorted(found, key=lambda n: (-n.count, n.app_id, n.operation, n.error))[:MAX_NOISE]

    # -- what is missing
    # ---------------------------------------------------------------------------------------

    def _missing(self) -> list[Text]:
        stretches = self.evidence.stretches
        window = stretches[-1].start + stretches[-1].seconds - stretches[0].start if stretches else 0
        missing = []
        if not sum(self.evidence.requests):
            missing.append(
                Text("diagnosis.missing.traces", {"environment": self.environment, "window": 1800})
            )
        elif self.finding.verdict is Verdict.UNKNOWN:
            missing.append(self._why_nothing(window))
        if self.finding.split is not None:
            lost = self.evidence.lost_share(self.finding.split)
            if lost > LOST_WORTH_TELLING:
                missing.append(Text("diagnosis.missing.telemetry", {"share": lost}))
        left_out = sum(s.tally.remainder.sampled_out for s in stretches)
        if left_out:
            missing.append(Text("diagnosis.missing.sampled", {"spans": left_out}))
        missing += [
            Text("diagnosis.missing.silent_service", {"service": named.app_id})
            for named in self.finding.named
            if not self._records(named.app_id) and self.evidence.sees_through(named.main.leaf.node)
        ]
        return missing

    def _why_nothing(self, window: float) -> Text:
        failing = sum(c.traced for t in self.evidence.tracks for c in t.counts.values())
        if not failing:
            return Text("diagnosis.missing.failures")
        if len(self.evidence.stretches) < 4 or window < 60:
            return Text("diagnosis.missing.baseline", {"window": window})
        if 0 < self.finding.excess < MIN_EXCESS:
            return Text("diagnosis.missing.few", {"failing": self.finding.excess, "needed": MIN_EXCESS})
        return Text("diagnosis.missing.rise")
