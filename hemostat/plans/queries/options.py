"""What to do about an incident: the plans that come up for it, ranked, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hemostat.base.texts import Text
from hemostat.diagnosis import queries as diagnoses
from hemostat.diagnosis.rules.answer import Answer, Cause
from hemostat.incidents.models import Incident
from hemostat.plans.models import Plan, Run
from hemostat.plans.queries.library import associations, records_of
from hemostat.plans.rules import match, plan, snapshot
from hemostat.plans.rules.prepared import prepare_all, preview
from hemostat.plans.rules.states import RunState, Verb
from hemostat.plans.rules.values import Filling, MissingValueError, ValueRefusedError


@dataclass(frozen=True)
class PlanOption:
    """A plan that comes up for an incident."""

    plan_id: int
    slug: str
    name: str
    verb: Verb
    steps: int
    about_s: int
    touches: str
    undo: str
    worked: tuple[int, int]
    """how often it helped, of how many runs that came to a verdict"""
    why: Text
    """what speaks for it most"""
    reasons: tuple[match.Part, ...]
    tried: RunState | None
    """what became of it in this incident"""
    cause_rank: int
    values: Mapping[str, str]
    """what fills it"""
    preview: tuple[str, ...]
    """each step as it would be done, secrets as dots; empty while it cannot start"""
    cannot: Text | None
    """why it cannot start now; None: it can"""


def _changed_before(cause: Cause) -> bool:
    """Whether the diagnosis has it that what fails was changed right before (its rule `change`)."""
    return any(part.rule == "change" and part.score > 0 for part in cause.contributions)


def symptoms_of(incident: Incident, answer: Answer | None) -> list[tuple[match.Symptom, Cause | None]]:
    """What plans are looked for: the causes by rank, else the failing service of which nothing more is known."""
    if answer is not None and answer.causes:
        return [(match.symptom_of(c, after_change=_changed_before(c)), c) for c in answer.causes]
    if incident.service is None:
        return []
    only = match.Symptom(1, incident.service.app_id, incident.entry, "", "", "", "", after_change=False, known=False)
    return [(only, None)]


def answer_of(incident: Incident) -> Answer | None:
    """The newest diagnosis kept for an incident."""
    return diagnoses.answer(incident.diagnosis_id) if incident.diagnosis_id else None


def newest_answer(incident_id: int) -> Answer | None:
    """As `answer_of`, read anew."""
    return answer_of(Incident.objects.get(pk=incident_id))


def values_for(row: Plan, incident: Incident, cause: Cause | None) -> dict[str, str]:
    """What fills the templates of a plan for an incident."""
    return snapshot.values_of(
        cause,
        environment=incident.environment.slug,
        incident=incident.code,
        app_id=incident.service.app_id if incident.service else "",
        entry=incident.entry,
        own=row.values,
        extra={},
    )


def options_for(incident: Incident, answer: Answer | None = None) -> list[PlanOption]:
    """The plans that come up for an incident, best first; `answer` defaults to its newest diagnosis."""
    symptoms = symptoms_of(incident, answer or answer_of(incident))
    causes = {symptom.rank: cause for symptom, cause in symptoms}
    rows = list(Plan.objects.filter(enabled=True).prefetch_related("associations"))
    records, tried = records_of(rows), _tried(incident)
    ranked = match.rank([_candidate(row, records, tried) for row in rows], [symptom for symptom, _ in symptoms])
    by_id = {row.pk: row for row in rows}
    options = []
    for place in ranked:
        row = by_id[place.plan_id]
        values = values_for(row, incident, causes[place.symptom.rank])
        options.append(_option(row, place, records.get(row.pk, match.Record()), tried.get(row.pk), values))
    return sorted(options, key=lambda option: option.cannot is not None)


def _candidate(row: Plan, records: Mapping[int, match.Record], tried: Mapping[int, RunState]) -> match.Candidate:
    return match.Candidate(
        plan_id=row.pk,
        verb=Verb(row.verb),
        associations=associations(row),
        record=records.get(row.pk, match.Record()),
        can_be_undone=bool(row.undo),
        tried=tried.get(row.pk),
    )


def _tried(incident: Incident) -> dict[int, RunState]:
    runs = Run.objects.filter(incident=incident).order_by("pk").values_list("plan_id", "state")
    return {plan_id: RunState(state) for plan_id, state in runs}


def _filled(row: Plan, values: Mapping[str, str]) -> tuple[tuple[str, ...], Text | None]:
    """Each step as it would be done, or why the plan cannot start."""
    steps = plan.steps_from_json(row.steps)
    filling = Filling(values, row.secrets)
    try:
        prepare_all(steps, filling)
    except MissingValueError as error:
        return (), Text("plans.lacks_value", {"name": error.name})
    except ValueRefusedError as error:
        return (), Text("plans.value_refused", {"name": error.name, "why": error.why})
    return tuple(preview(step, filling) for step in steps), None


def _option(
    row: Plan,
    place: match.Ranked,
    record: match.Record,
    tried: RunState | None,
    values: Mapping[str, str],
) -> PlanOption:
    previews, cannot = _filled(row, values)
    return PlanOption(
        plan_id=row.pk,
        slug=row.slug,
        name=row.name,
        verb=Verb(row.verb),
        steps=len(row.steps),
        about_s=row.about_s,
        touches=row.touches,
        undo=row.undo,
        worked=(record.helped, record.total),
        why=place.parts[0].reason,
        reasons=place.parts,
        tried=tried,
        cause_rank=place.symptom.rank,
        values=values,
        preview=previews,
        cannot=cannot,
    )
