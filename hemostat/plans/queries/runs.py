"""How runs stand, and what was seen after their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from django.db.models import QuerySet

from hemostat.base.texts import Text
from hemostat.detection import queries as detection
from hemostat.incidents.models import IncidentSignal
from hemostat.plans.models import Run, RunStep
from hemostat.plans.rules import snapshot
from hemostat.plans.rules.states import OPEN_RUNS, RunState, StepState
from hemostat.plans.rules.verification import Evidence, give_up_after, goal_of, looked_at


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
    gives_up_at: datetime | None
    """when it has not helped for good; None while its steps are not done"""
    reason: Text | None
    waits_for: str
    """label of the engines it waits for; "" for none"""

    @property
    def is_open(self) -> bool:
        """Whether it keeps other runs of its incident from starting."""
        return self.state in OPEN_RUNS

    @property
    def outcome(self) -> Text:
        """What has become of it, in one sentence."""
        told = {"plan": self.plan_name, "reason": self.reason.as_json() if self.reason else None}
        return Text(f"plans.now_{self.state.value}", told)

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
        gives_up_at=_gives_up_at(row, stamped),
        reason=_text(row.reason),
        waits_for=row.runner if row.state == RunState.RUNNING and row.lease is None else "",
    )


def _gives_up_at(row: Run, stamped: snapshot.Snapshot) -> datetime | None:
    if row.steps_done_at is None:
        return None
    wait = give_up_after(stamped.verification, by_alerts=stamped.kpi is None)
    return row.steps_done_at + timedelta(seconds=wait)


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


def is_held(claimed: Run) -> bool:
    """Whether the lease under which a run was claimed is still the one on its row."""
    return claimed.lease is not None and Run.objects.filter(pk=claimed.pk, lease=claimed.lease).exists()


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
