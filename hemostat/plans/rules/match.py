"""Which plan comes up for which cause, and in which order they are offered.

A plan is offered when one of its associations matches a cause. The order is by a score that is the sum of what
speaks for the plan, each part kept with its reason so that people can see why it stands first; what was tried in this
incident without helping comes last, whatever its score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hemostat.base.texts import Text
from hemostat.coordinates.rules.exceptions import ExceptionClass
from hemostat.diagnosis.rules.answer import Cause
from hemostat.plans.rules.plan import Association
from hemostat.plans.rules.states import RunState, Verb

FIELD_WEIGHTS: Mapping[str, float] = {"app_id": 0.45, "error": 0.25, "operation": 0.2, "exception_class": 0.1}
"""How much each field of an association says; together 1."""
SPECIFIC, WORKED, FITS, UNDO, RANK = 3.0, 2.0, 1.5, 0.2, 1.0
"""What the parts weigh: an exact match, what worked before, the fitting verb, an undo, and each rank further down."""
EXACT = 0.7
"""Specificity from which a plan is called made for exactly this."""

AFTER_CHANGE = (Verb.ROLLBACK, Verb.ISOLATE, Verb.RESTART, Verb.DOWNGRADE)
FITTING: Mapping[str, tuple[Verb, ...]] = {
    ExceptionClass.INTERNAL: AFTER_CHANGE,
    ExceptionClass.RESULT: AFTER_CHANGE,
    ExceptionClass.DEPENDENCY: (Verb.RESTART, Verb.ISOLATE, Verb.ROLLBACK, Verb.DOWNGRADE),
    ExceptionClass.RESOURCE: (Verb.RESTART, Verb.ISOLATE, Verb.ROLLBACK, Verb.DOWNGRADE),
    ExceptionClass.SLOW: (Verb.ISOLATE, Verb.RESTART, Verb.ROLLBACK, Verb.DOWNGRADE),
}
"""Verbs by class of exception, the fitting one first: logic fails because of what was released, a resource runs out
until it is restarted. Downgrade is the last line of defence."""
USUAL = (Verb.RESTART, Verb.ISOLATE, Verb.ROLLBACK, Verb.DOWNGRADE)

_NOT_AGAIN = frozenset({RunState.DID_NOT_HELP, RunState.FAILED, RunState.CANCELLED, RunState.OUTCOME_UNKNOWN})


@dataclass(frozen=True)
class Symptom:
    """A cause as associations see it; also what is known of a failing service when no cause is."""

    rank: int
    app_id: str
    operation: str
    exception_class: str
    error: str
    coordinate: str
    peer: str
    after_change: bool
    """whether what fails was changed right before"""
    known: bool = True
    """False: only the failing service is known"""


def symptom_of(cause: Cause, *, after_change: bool) -> Symptom:
    """A cause as associations see it."""
    return Symptom(
        rank=cause.rank,
        app_id=cause.app_id,
        operation=cause.operation,
        exception_class=cause.exception_class,
        error=cause.error,
        coordinate=cause.coordinate,
        peer=cause.peer,
        after_change=after_change,
    )


@dataclass(frozen=True)
class Record:
    """How often a plan helped, of the runs that came to a verdict."""

    helped: int = 0
    total: int = 0

    @property
    def expected(self) -> float:
        """The share to expect next time: the mean of Beta(1 + helped, 1 + not helped)."""
        return (self.helped + 1) / (self.total + 2)


@dataclass(frozen=True)
class Candidate:
    """A plan as the ranking sees it."""

    plan_id: int
    verb: Verb
    associations: tuple[Association, ...]
    record: Record
    can_be_undone: bool
    tried: RunState | None = None
    """what became of it in this incident, the latest run"""


@dataclass(frozen=True)
class Part:
    """What one consideration gave a plan."""

    score: float
    reason: Text


@dataclass(frozen=True)
class Ranked:
    """A plan with its place and the reasons for it, weightiest first."""

    plan_id: int
    symptom: Symptom
    parts: tuple[Part, ...]
    last: bool
    """tried in this incident without helping"""

    @property
    def score(self) -> float:
        """The sum of its parts."""
        return sum(part.score for part in self.parts)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.IGNORECASE | re.DOTALL)


def field_specificity(pattern: str, value: str) -> float | None:
    """How exactly `pattern` says `value`: 1 without wildcards, 0 for `*`, between by its letters; None: no match."""
    if pattern == "*":
        return 0.0
    if not _pattern(pattern).fullmatch(value):
        return None
    letters = len(pattern.replace("*", ""))
    return 1.0 if "*" not in pattern else min(0.9, 0.3 + 0.6 * letters / max(1, len(value)))


def specificity(association: Association, symptom: Symptom) -> float | None:
    """How exactly an association says `symptom`, 0 to 1; None when it does not match.

    An association with a coordinate matches nothing but it. The AppId may also be that of the dependency that does
    not answer.
    """
    if association.coordinate:
        return 1.0 if association.coordinate == symptom.coordinate else None
    total = 0.0
    for name, weight in FIELD_WEIGHTS.items():
        found = field_specificity(getattr(association, name), getattr(symptom, name))
        if name == "app_id" and found is None and symptom.peer:
            found = field_specificity(association.app_id, symptom.peer)
        if found is None:
            return None
        total += weight * found
    return total


def fit(verb: Verb, symptom: Symptom) -> Part:
    """How well a verb fits: 1 for the first, less for each further one."""
    order = AFTER_CHANGE if symptom.after_change else FITTING.get(symptom.exception_class, USUAL)
    place = order.index(verb) if verb in order else len(order)
    score = FITS * (1 - place / 4)
    if place == 0 and symptom.after_change:
        return Part(score, Text("plans.fits_after_change", {"service": symptom.app_id}))
    return Part(score, Text("plans.fits", {"kind": Text(f"plans.kind_{symptom.exception_class or 'any'}").as_json()}))


def _ranked(candidate: Candidate, symptoms: Sequence[Symptom]) -> Ranked | None:
    best: Ranked | None = None
    for symptom in symptoms:
        exact = max(
            (s for a in candidate.associations if (s := specificity(a, symptom)) is not None),
            default=None,
        )
        if exact is None:
            continue
        told = {"service": symptom.app_id, "error": symptom.error or symptom.exception_class, "rank": symptom.rank}
        record = candidate.record
        how = "matches_service" if not symptom.known else "matches_exactly" if exact > EXACT else "matches"
        parts = [
            Part(SPECIFIC * exact - RANK * (symptom.rank - 1), Text(f"plans.{how}", told)),
            fit(candidate.verb, symptom),
            Part(WORKED * record.expected, Text("plans.worked", {"helped": record.helped, "total": record.total})),
        ]
        if candidate.can_be_undone:
            parts.append(Part(UNDO, Text("plans.can_be_undone")))
        parts.sort(key=lambda part: -part.score)
        ranked = Ranked(candidate.plan_id, symptom, tuple(parts), candidate.tried in _NOT_AGAIN)
        if best is None or ranked.score > best.score:
            best = ranked
    return best


def rank(candidates: Sequence[Candidate], symptoms: Sequence[Symptom]) -> list[Ranked]:
    """The plans that come up for `symptoms`, best first; those tried without helping last."""
    found = [ranked for candidate in candidates if (ranked := _ranked(candidate, symptoms)) is not None]
    return sorted(found, key=lambda ranked: (ranked.last, -ranked.score, ranked.plan_id))
