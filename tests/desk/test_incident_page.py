"""What the incident page says in each phase, decided without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hemostat.base.svg import Point
from hemostat.base.texts import Text
from hemostat.desk.rules.facts import Facts, OptionFact, PagingFact, ReaderFact, RoleFact, RunFact, StepFact
from hemostat.desk.rules.incident import Phase, etag, incident_page
from hemostat.incidents.rules.clocks import Milestones, clocks
from hemostat.incidents.rules.states import Role, State
from hemostat.plans.rules.states import RunState, StepState

ONSET = datetime(2026, 11, 19, 13, 2, tzinfo=UTC)
NOW = ONSET + timedelta(minutes=3, seconds=40)


def _option(plan_id: int, **fields: object) -> OptionFact:
    values = {"slug": f"p{plan_id}", "name": f"Plan {plan_id}", "steps": 2, "about_s": 40, "touches": "", "undo": ""}
    return replace(OptionFact(plan_id=plan_id, ran=0, helped=0, **values), **fields)  # type: ignore[arg-type]


def _run(state: RunState, **fields: object) -> RunFact:
    step = StepFact(
        0, "Restart", StepState.DONE, started_at=ONSET + timedelta(minutes=4), finished_at=ONSET + timedelta(minutes=5)
    )
    base = RunFact(1, 1, "Plan 1", state, ONSET + timedelta(minutes=4), "Mira", (step,), kpi_before=0.12, goal=0.99)
    return replace(base, **fields)  # type: ignore[arg-type]


def _facts(**fields: object) -> Facts:
    base = Facts(
        now=NOW,
        id=1,
        code="INC-318",
        environment="production",
        state=State.OPEN,
        severity=0,
        severity_reason=Text("x"),
        headline=Text("incidents.headline_success", {"what": "Payment", "before": 0.999, "now": 0.12}),
        service="Payment",
        purpose="pay",
        onset_at=ONSET,
        opened_at=ONSET + timedelta(seconds=31),
        kpi_baseline=0.999,
        kpi_current=0.12,
        users=8437,
        acknowledged_at=None,
        acknowledged_by="",
        acknowledged_by_id=None,
        mitigated_at=None,
        resolved_at=None,
        quiet=timedelta(minutes=2),
        clocks=clocks(Milestones(ONSET, ONSET + timedelta(seconds=31), None, None, None), 0, NOW),
        roles=[],
        answer=None,
        series=[Point(ONSET + timedelta(seconds=10 * n), 0.999 if n < 0 else 0.12) for n in range(-30, 21)],
        options=[_option(1), _option(2)],
        runs=[],
        paging=PagingFact("ringing"),
        events=[],
        reader=ReaderFact(7, "Mira"),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "run", "phase"),
    [
        (State.OPEN, None, Phase.CHOOSE),
        (State.ACKNOWLEDGED, None, Phase.CHOOSE),
        (State.ACKNOWLEDGED, RunState.RUNNING, Phase.RUNNING),
        (State.ACKNOWLEDGED, RunState.VERIFYING, Phase.RUNNING),
        (State.MITIGATED, RunState.VERIFYING, Phase.RUNNING),
        (State.ACKNOWLEDGED, RunState.OUTCOME_UNKNOWN, Phase.DECIDE),
        (State.ACKNOWLEDGED, RunState.DID_NOT_HELP, Phase.NEXT),
        (State.ACKNOWLEDGED, RunState.FAILED, Phase.NEXT),
        (State.ACKNOWLEDGED, RunState.CANCELLED, Phase.NEXT),
        (State.MITIGATED, RunState.HELPED, Phase.RECOVERED),
        (State.MITIGATED, None, Phase.RECOVERED),
        (State.RESOLVED, RunState.HELPED, Phase.RESOLVED),
        (State.RESOLVED, None, Phase.RESOLVED),
    ],
)
def test_the_phase_follows_the_incident_and_its_newest_run(state: State, run: RunState | None, phase: Phase) -> None:
    assert incident_page(_facts(state=state, runs=[_run(run)] if run else [])).phase is phase


def test_before_anything_was_done_the_headline_falls_from_the_baseline() -> None:
    shown = incident_page(_facts()).figure
    assert shown is not None
    assert (shown.before, shown.after, shown.direction) == (0.999, 0.12, "down")


@pytest.mark.parametrize(("now", "direction"), [(0.31, "down"), (0.86, "up")])
def test_after_a_press_the_headline_starts_where_the_run_did_and_is_green_from_half_way(
    now: float, direction: str
) -> None:
    shown = incident_page(_facts(runs=[_run(RunState.VERIFYING)], series=[Point(NOW, now)])).figure
    assert shown is not None
    assert (shown.before, shown.after, shown.direction) == (0.12, now, direction)


def test_an_incident_of_alerts_has_no_figure_and_no_curve() -> None:
    page = incident_page(
        _facts(
            kpi_baseline=None,
            kpi_current=None,
            series=[],
            headline=Text("incidents.headline_alert", {"summary": "Disk full"}),
        )
    )
    assert page.figure is None
    assert page.curve == ""
    assert page.title == "P0 Disk full · INC-318"


def test_the_tab_says_severity_and_figure_first() -> None:
    assert incident_page(_facts()).title == "P0 Payment 12\xa0% · INC-318"


def test_what_was_tried_or_cannot_start_is_never_the_large_button() -> None:
    tried = _option(1, tried=RunState.DID_NOT_HELP)
    cannot = _option(2, cannot=Text("plans.lacks_value", {"name": "version"}))
    page = incident_page(_facts(options=[tried, cannot, _option(3), _option(4)], runs=[_run(RunState.DID_NOT_HELP)]))
    assert page.best is not None
    assert page.best.plan_id == 3
    assert [o.plan_id for o in page.others] == [1, 2, 4]


def test_without_any_plan_left_there_is_no_button() -> None:
    assert incident_page(_facts(options=[_option(1, tried=RunState.FAILED)])).best is None


def test_only_somebody_who_may_respond_can_acknowledge_and_only_while_it_is_open() -> None:
    assert incident_page(_facts()).can_acknowledge
    assert not incident_page(_facts(reader=ReaderFact(7, "Vi", may_respond=False))).can_acknowledge
    assert not incident_page(_facts(state=State.ACKNOWLEDGED)).can_acknowledge


def test_every_role_is_told_also_those_that_nobody_holds() -> None:
    held = RoleFact(Role.DIAGNOSIS, 7, "Mira", NOW)
    roles = incident_page(_facts(roles=[held])).roles
    assert [(r.role, r.holder, r.you) for r in roles] == [
        ("commander", "", False),
        ("communicator", "", False),
        ("recovery", "", False),
        ("diagnosis", "Mira", True),
    ]


def test_the_page_asks_faster_while_something_runs_and_not_at_all_when_it_is_over() -> None:
    assert incident_page(_facts()).poll_s == 2
    assert incident_page(_facts(runs=[_run(RunState.RUNNING)])).poll_s == 1
    assert incident_page(_facts(state=State.RESOLVED)).poll_s == 0


def _tag(**fields: object) -> str:
    values: dict[str, object] = {
        "newest_event": "e1", "severity": 0, "users": 8437, "run": _run(RunState.RUNNING), "over": False, "now": ONSET,
    }  # fmt: skip
    return etag(**{**values, **fields})  # type: ignore[arg-type]


def test_the_etag_changes_with_everything_that_is_told() -> None:
    step = _run(RunState.RUNNING).steps[0]
    same = _tag(now=ONSET + timedelta(seconds=9))
    assert same == _tag()
    others = {
        _tag(newest_event="e2"),
        _tag(severity=1),
        _tag(users=9000),
        _tag(run=None),
        _tag(run=_run(RunState.VERIFYING)),
        _tag(run=_run(RunState.RUNNING, steps=(replace(step, output="one more line"),))),
        _tag(now=ONSET + timedelta(seconds=10)),
    }
    assert len(others) == 7
    assert same not in others


def test_the_etag_of_a_closed_incident_stays() -> None:
    assert _tag(over=True) == _tag(over=True, now=ONSET + timedelta(days=1))
