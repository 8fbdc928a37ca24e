"""Looking at a step's guards: whether each holds, and the reason of the first that does not."""

from __future__ import annotations

from datetime import timedelta

from hemostat.base import clock
from hemostat.base.texts import Text
from hemostat.plans import queries
from hemostat.plans.executors import execute
from hemostat.plans.executors.port import Printer, Stop
from hemostat.plans.models import Run
from hemostat.plans.rules.plan import CauseGuard, Guard, KpiGuard, Step
from hemostat.plans.rules.prepared import prepare
from hemostat.plans.rules.run import Did
from hemostat.plans.rules.snapshot import Snapshot
from hemostat.plans.rules.values import Filling
from hemostat.plans.rules.verification import goal_of

LOOK_BACK = timedelta(seconds=30)
"""How far back “still bad” is looked at."""


class _Kept:
    """Keeps what a guard prints, to be shown only when it does not hold."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def first_refusal(
    run: Run, stamped: Snapshot, step: Step, filling: Filling, printer: Printer, stop: Stop
) -> Text | None:
    """The reason of the first guard of `step` that does not hold; None when all do."""
    for guard in step.guards:
        kept = _Kept()
        reason = _refusal(run, stamped, guard, filling, kept, stop)
        if reason is not None:
            printer.write(kept.text)
            return Text("plans.guard_refused", {"guard": guard.name, "reason": reason.as_json()})
    return None


def _refusal(run: Run, stamped: Snapshot, guard: Guard, filling: Filling, printer: Printer, stop: Stop) -> Text | None:
    if isinstance(guard, KpiGuard):
        return _kpi_refusal(run, stamped)
    if isinstance(guard, CauseGuard):
        return _cause_refusal(run, stamped)
    result = execute(prepare(guard, filling), printer, stop)
    return None if result.did is Did.SUCCEEDED else result.reason


def _kpi_refusal(run: Run, stamped: Snapshot) -> Text | None:
    """Refuses when the KPI is measurably back; silence is no proof of health."""
    if stamped.kpi is None:
        return None if queries.alerts_firing(run.incident_id) else Text("plans.alerts_resolved", {"alerts": 0})
    now = clock.now()
    share, requests = queries.kpi_share(stamped.kpi, now - LOOK_BACK, now)
    goal = goal_of(stamped.verification, stamped.kpi.baseline)
    if share is None or requests < stamped.verification.min_requests or share < goal:
        return None
    return Text("plans.kpi_is_good", {"share": share, "goal": goal})


def _cause_refusal(run: Run, stamped: Snapshot) -> Text | None:
    answer = queries.newest_answer(run.incident_id)
    if not stamped.cause_app_id or answer is None:
        return None
    named = {cause.app_id for cause in answer.causes if cause.in_cause_set}
    if not named or stamped.cause_app_id in named:
        return None
    return Text("plans.cause_moved", {"service": stamped.cause_app_id, "now": ", ".join(sorted(named))})
