"""A run from the click to the verdict, with the real engine, real programs and the real database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from hemostat.base.clock import ManualClock
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.people.models import User
from hemostat.plans import actions, engine, queries
from hemostat.plans.rules.states import RunState, StepState
from tests.plans.helpers import command_plan

pytestmark = pytest.mark.django_db(transaction=True)

Kpi = Callable[..., None]
HELLO = {"name": "Say hello", "argv": [sys.executable, "-c", "print('hello')"]}


def work(time: ManualClock, runner: str = "default") -> int:
    """One round of the engine, waited for."""
    claimed = engine.claim(time.now(), runner)
    for run in claimed:
        engine.carry_on(run, runner=runner)
    return len(claimed)


def start(incident: Incident, user: User, *steps: dict[str, Any], **changes: Any) -> int:
    plan = actions.add_plan(command_plan(*(steps or (HELLO,)), **changes), CONSOLE)
    return actions.start(plan.pk, incident.pk, user=user).pk


def kinds(incident: Incident) -> list[str]:
    return [e.kind for e in events.about("incident", str(incident.pk), newest_first=False)]


def test_one_click_runs_the_steps_and_the_kpi_decides_that_it_helped(
    incident: Incident, user: User, time: ManualClock, kpi: Kpi
) -> None:
    kpi(time.now(), requests=100, failed=88)
    run_id = start(incident, user)
    incident.refresh_from_db()
    assert incident.state == State.ACKNOWLEDGED
    assert incident.roles.get(role="recovery").user == user

    assert work(time) == 1
    run = queries.run(run_id)
    assert run.state is RunState.VERIFYING
    assert [(s.state, s.output) for s in run.steps] == [(StepState.DONE, "hello\n")]
    assert run.kpi_before == pytest.approx(0.12)

    for _ in range(25):
        time.advance(1)
        kpi(time.now(), requests=10, failed=0)
        work(time)
    run = queries.run(run_id)
    assert run.state is RunState.HELPED
    assert run.kpi_after == 1.0
    assert (run.finished_at - run.steps_done_at).total_seconds() <= 22  # type: ignore[operator]
    assert "plans.run_started" in kinds(incident)
    assert kinds(incident)[-1] == "plans.run_helped"
