"""Putting a finding into words: each cause in one sentence, how sure, with what the rules say, and what
was set aside.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hemostat.base.texts import Text
from hemostat.coordinates.rules import exceptions
from hemostat.coordinates.rules.exceptions import Manner
from hemostat.diagnosis.rules import aside, tree
from hemostat.diagnosis.rules.answer import Answer, Cause, Confidence, Verdict
from hemostat.diagnosis.rules.cases import Case, Cases, Place, class_of
from hemostat.diagnosis.rules.contributions import contributions
from hemostat.diagnosis.rules.evidence import Evidence
from hemostat.diagnosis.rules.rank import Candidate, Finding, Named
from hemostat.intake.rules.walk import LeafKind

MAX_OTHERS = 4
"""Runners-up that are shown beside the set of causes."""
MIN_RISE = 2.0
"""Excess failing requests from which a leaf is a runner-up."""
SURE = -20.0
FAIRLY_SURE = -9.0
"""Logarithms of the chance below which a cause is very likely, and likely."""
SMALL_SHARE = 0.05


class Explainer:
    """Puts one finding into words; `answer` is the way in."""

    def __init__(self, evidence: Evidence, finding: Finding, *, environment: str, at: datetime) -> None:
        self._evidence = evidence
        self._finding = finding
        self._environment = environment
        self._at = at
        self._cases = Cases(evidence, finding)

    def answer(self, window_s: float) -> Answer:
        """The whole answer; `window_s` is how far back was asked."""
        finding, cases = self._finding, self._cases
        ranks = {c.leaf: rank for rank, named in enumerate(finding.named, 1) for c in named.leaves}
        causes = [self._cause(rank, named) for rank, named in enumerate(finding.named, 1)]
        return Answer(
            environment=self._environment,
            at=self._at,
            onset_at=self._onset(),
            verdict=finding.verdict,
            causes=(*causes, *self._others(len(causes) + 1)),
            tree=tree.build(self._evidence, finding, ranks, lambda leaf: aside.noise_reason(cases, leaf)),
            path=tuple(edge for edge, _ in tree.path_edges(self._evidence, finding)),
            noise=tuple(aside.noise(cases)),
            missing=tuple(aside.missing(cases, self._environment, window_s)),
        )

    def places(self) -> list[Place]:
        """The coordinates of the set of causes, so that they can be registered."""
        found = [self._cases.place(self._cases.of(named.main.leaf)) for named in self._finding.named]
        return [place for place in found if place is not None]

    def _onset(self) -> datetime | None:
        if self._finding.split is None or not self._finding.named:
            return None
        return datetime.fromtimestamp(self._evidence.stretches[self._finding.split.at].start, UTC)

    # Causes

    def _cause(self, rank: int, named: Named) -> Cause:
        together = [self._cases.of(c.leaf) for c in named.leaves]
        main = together[0]
        firsts = [c.first_ns for leaf in self._cases.named if (c := self._cases.of(leaf)).first_ns]
        return self._told(
            main,
            rank=rank,
            share=named.share,
            failing=sum(c.failing for c in together),
            usual=sum(c.usual for c in together),
            confidence=self._confidence(named),
            sentence=self._sentence(main),
            named=named,
            first_ns=min(firsts, default=0),
        )

    def _others(self, rank: int) -> list[Cause]:
        """What else rose: shown beside the set, never part of it."""
        apart = [c for c in self._finding.rising if c.leaf not in self._cases.named and c.excess >= MIN_RISE]
        return [self._other(rank + i, candidate) for i, candidate in enumerate(apart[:MAX_OTHERS])]

    def _other(self, rank: int, candidate: Candidate) -> Cause:
        case = self._cases.of(candidate.leaf)
        explained = self._cases.explained_by(candidate.leaf) is not None
        params = {
            "service": candidate.leaf.node.app_id,
            "operation": candidate.leaf.node.operation,
            "failing": round(case.failing),
            "error": case.error or "an error",
        }
        return self._told(
            case,
            rank=rank,
            share=min(1.0, candidate.excess / max(self._finding.excess, candidate.excess)),
            failing=case.failing,
            usual=case.usual,
            confidence=Confidence.GUESS,
            sentence=Text("diagnosis.not_in_set" if explained else "diagnosis.rising", params),
        )

    def _told(
        self,
        case: Case,
        *,
        rank: int,
        share: float,
        failing: float,
        usual: float,
        confidence: Confidence,
        sentence: Text,
        named: Named | None = None,
        first_ns: int = 0,
    ) -> Cause:
        place = self._cases.place(case)
        app_id = case.leaf.node.app_id
        return Cause(
            rank=rank,
            app_id=app_id,
            operation=case.leaf.node.operation,
            exception_class=class_of(case.leaf),
            error=case.error,
            coordinate=place.code if place else "",
            peer="" if self._cases.records(app_id) else app_id,
            share=share,
            failing=round(failing),
            baseline=round(usual, 1),
            first_at=datetime.fromtimestamp(case.first_ns / 1e9, UTC) if case.first_ns else None,
            confidence=confidence,
            in_cause_set=named is not None,
            sentence=sentence,
            contributions=contributions(self._cases, named, first_ns=first_ns) if named else (),
            samples=tuple(case.samples),
            versions=tuple(self._newest_first(case)),
        )

    def _confidence(self, named: Named) -> Confidence:
        if self._finding.verdict is Verdict.WEAK:
            return Confidence.GUESS
        chance = min(c.log_chance for c in named.leaves)
        level = 2 if chance < SURE else 1 if chance < FAIRLY_SURE else 0
        level -= named.share < SMALL_SHARE and len(self._finding.named) > 1
        level -= named.main.leaf.kind is LeafKind.UNSEEN
        return (Confidence.POSSIBLE, Confidence.LIKELY, Confidence.VERY_LIKELY)[max(0, level)]

    # Sentences

    def _sentence(self, case: Case) -> Text:
        """The cause in one sentence."""
        leaf = case.leaf
        params: dict[str, object] = {
            "service": leaf.node.app_id,
            "operation": leaf.node.operation,
            "caller": case.caller,
            "error": case.error or "an error",
        }
        match leaf.kind:
            case LeafKind.GONE:
                return Text(f"diagnosis.gone.{_manner(case)}", params)
            case LeafKind.UNSEEN | LeafKind.EDGE | LeafKind.RESULT:
                return Text(f"diagnosis.{leaf.kind.value}", params)
            case LeafKind.SLOW if case.moved_from is not None:
                params |= {"caller": case.moved_from.node.app_id, "error": case.moved_from.label}
                return Text("diagnosis.slow.exhausts", params)
            case LeafKind.SLOW:
                return Text("diagnosis.slow", params)
        return self._internal(case, params)

    def _internal(self, case: Case, params: dict[str, object]) -> Text:
        version = self._guilty_version(case)
        if not case.error:
            return Text("diagnosis.internal.silent", params)
        if version is not None:
            before = round(case.first_ns / 1e9 - version[1])
            params |= {"version": version[0], "before": before}
            return Text(f"diagnosis.internal.version{'' if before >= 1 else '_same_time'}", params)
        if exceptions.is_resource(case.error):
            return Text("diagnosis.internal.resource", params)
        if case.error.startswith("http "):
            return Text("diagnosis.internal.http", params)
        return Text("diagnosis.internal", params)

    # Versions

    def _first_seen(self, app_id: str) -> dict[str, int]:
        """When each version of a service was first seen in the window, Unix seconds."""
        seen: dict[str, int] = {}
        for stretch in self._evidence.stretches:
            service = stretch.tally.services.get(app_id)
            for version in service.versions if service else ():
                if version:
                    seen.setdefault(version, stretch.start)
        return seen

    def _newest_first(self, case: Case) -> list[str]:
        seen = self._first_seen(case.leaf.node.app_id)
        return sorted(case.versions, key=lambda v: (-seen.get(v, 0), v))

    def _guilty_version(self, case: Case) -> tuple[str, int] | None:
        """The version on which all failures are, and when it came: if it came in the window, after
        another.
        """
        if len(case.versions) != 1:
            return None
        (version,) = case.versions
        seen = self._first_seen(case.leaf.node.app_id)
        earlier = [at for other, at in seen.items() if other != version]
        came = seen.get(version)
        return (version, came) if came is not None and earlier and came > min(earlier) else None


def _manner(case: Case) -> str:
    """How calls fail: as most of their exceptions say."""
    told = max(case.manners, key=lambda m: (case.manners[m], m), default=str(Manner.OTHER))
    if told == Manner.OTHER:
        told = exceptions.manner(case.error)
    return told if told != Manner.OTHER or case.error else "silent"
