"""Reading plans and runs: what to do about an incident, how a run stands, what a plan's record is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from django.db.models import Count, Q, QuerySet

from hemostat.base.texts import Text
from hemostat.coordinates.rules.exceptions import ExceptionClass
from hemostat.detection import queries as detection
from hemostat.diagnosis import queries as diagnoses
from hemostat.diagnosis.rules.answer import Answer, Cause
from hemostat.incidents.models import Incident, IncidentSignal
from hemostat.plans.models import Plan, Run, RunStep
from hemostat.plans.rules import match, plan, snapshot
from hemostat.plans.rules.prepared import prepare_all, preview
from hemostat.plans.rules.states import OPEN_RUNS, RunState, StepState, Verb
from hemostat.plans.rules.values import Filling, MissingValueError, ValueRefusedError
from hemostat.plans.rules.verification import Evidence, goal_of, looked_at

ENDED_WITH_VERDICT = (RunState.HELPED, RunState.DID_NOT_HELP)


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


@dataclass(frozen=True)
class StepView:
    """A step of a run as it stands."""

    position: int
    name: str
    kind: str
    state: StepState
    output: str
    reason: Text | None
    guards: tuple[str, ...]
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def took_s(self) -> float | None:
        """Seconds from beginning to end; None while it lasts."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class RunView:
    """A run as it stands."""

    id: int
    plan_id: int
    plan_slug: str
    plan_name: str
    undo: str
    incident_id: int
    incident_code: str
    state: RunState
    steps: tuple[StepView, ...]
    started_by: str
    started_at: datetime
    steps_done_at: datetime | None
    finished_at: datetime | None
    kpi_before: float | None
    kpi_after: float | None
    goal: float | None
    """share to reach; None where alerts decide"""
    window_s: float
    reason: Text | None
    waits_for: str
    """label of the engines it waits for; "" for none"""

    @property
    def is_open(self) -> bool:
        """Whether it keeps other runs of its incident from starting."""
        return self.state in OPEN_RUNS

    @property
    def unknown_step(self) -> StepView | None:
        """The step of which a person must say whether it happened."""
        if self.state is not RunState.OUTCOME_UNKNOWN:
            return None
        return next((step for step in self.steps if step.state is StepState.UNKNOWN), None)

    @property
    def etag(self) -> str:
        """Changes with everything that is shown of the run."""
        shown = [self.state, self.reason, self.kpi_after, [(s.state, len(s.output), s.reason) for s in self.steps]]
        return blake2b(repr(shown).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class PlanView:
    """A plan with its record."""

    id: int
    slug: str
    name: str
    verb: Verb
    description: str
    touches: str
    undo: str
    about_s: int
    enabled: bool
    steps: tuple[plan.Step, ...]
    verification: plan.Verification
    associations: tuple[plan.Association, ...]
    secrets: tuple[str, ...]
    """names only"""
    worked: tuple[int, int]
    last_run_at: datetime | None
    marks: tuple[tuple[RunState, datetime, str, int], ...] = ()
    """its latest runs, oldest first: state, start, incident's code, id of the run"""


def _text(stored: Mapping[str, object]) -> Text | None:
    return Text.from_json(stored) if stored else None


def _run_view(row: Run) -> RunView:
    stamped = snapshot.read(row.snapshot)
    guards = [tuple(guard.name for guard in step.guards) for step in stamped.steps]
    return RunView(
        id=row.pk,
        plan_id=row.plan_id,
        plan_slug=row.plan.slug,
        plan_name=stamped.name,
        undo=row.plan.undo,
        incident_id=row.incident_id,
        incident_code=row.incident.code,
        state=RunState(row.state),
        steps=tuple(_step_view(step, guards[step.position]) for step in row.steps.all()),
        started_by=str(row.started_by or ""),
        started_at=row.started_at,
        steps_done_at=row.steps_done_at,
        finished_at=row.finished_at,
        kpi_before=row.kpi_before,
        kpi_after=row.kpi_after,
        goal=goal_of(stamped.verification, stamped.kpi.baseline) if stamped.kpi else None,
        window_s=stamped.verification.window_s,
        reason=_text(row.reason),
        waits_for=row.runner if row.state == RunState.RUNNING and row.lease is None else "",
    )


def _step_view(row: RunStep, guards: tuple[str, ...]) -> StepView:
    return StepView(
        position=row.position,
        name=row.name,
        kind=row.kind,
        state=StepState(row.state),
        output=row.output,
        reason=_text(row.reason),
        guards=guards,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def run(run_id: int) -> RunView:
    """One run; raises Run.DoesNotExist."""
    return _run_view(_runs().get(pk=run_id))


def runs_of(incident_id: int) -> list[RunView]:
    """The runs for an incident, newest first; three queries whatever their number."""
    return [_run_view(row) for row in _runs().filter(incident_id=incident_id).order_by("-pk")]


def _runs() -> QuerySet[Run]:
    return Run.objects.select_related("plan", "incident", "started_by").prefetch_related("steps")


def plans() -> list[PlanView]:
    """All plans by verb and name, with their records."""
    rows = Plan.objects.prefetch_related("associations").order_by("verb", "name")
    return _plan_views(list(rows))


def plan_by_slug(slug: str) -> PlanView:
    """One plan; raises Plan.DoesNotExist."""
    return _plan_views([Plan.objects.prefetch_related("associations").get(slug=slug)])[0]


def _plan_views(rows: Sequence[Plan], marks: int = 12) -> list[PlanView]:
    records = _records(rows)
    by_plan: dict[int, list[tuple[RunState, datetime, str, int]]] = {}
    for row in Run.objects.filter(plan__in=rows).select_related("incident").order_by("-pk")[: marks * len(rows)]:
        seen = by_plan.setdefault(row.plan_id, [])
        if len(seen) < marks:
            seen.insert(0, (RunState(row.state), row.started_at, row.incident.code, row.pk))
    views = []
    for row in rows:
        record, latest = records.get(row.pk, match.Record()), by_plan.get(row.pk, [])
        views.append(
            PlanView(
                id=row.pk,
                slug=row.slug,
                name=row.name,
                verb=Verb(row.verb),
                description=row.description,
                touches=row.touches,
                undo=row.undo,
                about_s=row.about_s,
                enabled=row.enabled,
                steps=plan.steps_from_json(row.steps),
                verification=plan.verification_from_json(row.verification),
                associations=_associations(row),
                secrets=tuple(sorted(row.secrets)),
                worked=(record.helped, record.total),
                last_run_at=latest[-1][1] if latest else None,
                marks=tuple(latest),
            )
        )
    return views


def _associations(row: Plan) -> tuple[plan.Association, ...]:
    return tuple(
        plan.Association(
            app_id=a.app_id,
            operation=a.operation,
            exception_class=a.exception_class,
            error=a.error,
            coordinate=a.coordinate,
        )
        for a in row.associations.all()
    )


def _records(rows: Iterable[Plan]) -> dict[int, match.Record]:
    counted = (
        Run.objects.filter(plan__in=list(rows), state__in=ENDED_WITH_VERDICT)
        .values("plan_id")
        .annotate(total=Count("pk"), helped=Count("pk", filter=Q(state=RunState.HELPED)))
    )
    return {c["plan_id"]: match.Record(c["helped"], c["total"]) for c in counted}


def _changed_before(cause: Cause) -> bool:
    """Whether what fails was changed right before: its own logic fails, on versions that are known."""
    return cause.exception_class == ExceptionClass.INTERNAL and bool(cause.versions)


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


def is_held(claimed: Run) -> bool:
    """Whether the lease under which a run was claimed is still the one on its row."""
    return claimed.lease is not None and Run.objects.filter(pk=claimed.pk, lease=claimed.lease).exists()


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
    records, tried = _records(rows), _tried(incident)
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
        associations=_associations(row),
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


def alerts_firing(incident_id: int) -> int:
    """How many alerts of an incident still fire."""
    return IncidentSignal.objects.filter(
        incident_id=incident_id, alert__isnull=False, alert__resolved_at__isnull=True
    ).count()


def evidence(row: Run, stamped: snapshot.Snapshot, now: datetime) -> Evidence:
    """What was seen since the steps of a run were done."""
    if stamped.kpi is None:
        return Evidence(alerts_firing=alerts_firing(row.incident_id))
    assert row.steps_done_at is not None, "a run is verified after its steps"
    since, until = looked_at(stamped.verification, row.steps_done_at, now)
    return Evidence(*kpi_share(stamped.kpi, since, until))


def kpi_share(kpi: snapshot.Kpi, since: datetime, until: datetime) -> tuple[float | None, int]:
    """Share of good requests and how many there were; None for the share of nothing."""
    if until <= since:
        return None, 0
    share, requests = detection.success(kpi.environment, kpi.app_id, kpi.entry, since, until)
    return (share, requests) if requests else (None, 0)
