"""Writing plans, keeping their secrets, and offering them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hemostat.base import secrets
from hemostat.base.clock import ManualClock
from hemostat.base.failures import NotFoundError, UsageError
from hemostat.events import queries as events
from hemostat.events.models import Event
from hemostat.events.rules import CONSOLE
from hemostat.incidents.models import Incident
from hemostat.plans import actions, cli, queries
from hemostat.plans.models import Plan, Run
from hemostat.plans.rules.plan import PlanError
from hemostat.plans.rules.states import RunState
from tests.plans.helpers import answer_json, command_plan

pytestmark = pytest.mark.django_db

STEP = {"name": "Restart", "argv": ["restart", "{service_name}"], "env": {"TOKEN": "{secret:PLATFORM}"}}
GIVEN = {"PLATFORM": "a very secret token"}


def test_a_plan_is_written_once_and_written_anew_under_the_same_slug(time: ManualClock) -> None:
    first = actions.add_plan(command_plan({"name": "a", "argv": ["true"]}), CONSOLE)
    second = actions.add_plan(command_plan({"name": "b", "argv": ["true"]}, comes_up_for=[]), CONSOLE)
    assert first.pk == second.pk
    view = queries.plan_by_slug("restart-orders")
    assert [step.name for step in view.steps] == ["b"]
    assert view.associations == ()
    told = [e.kind for e in events.about("plan", str(first.pk), newest_first=False)]
    assert told == ["plans.plan_added", "plans.plan_changed"]


def test_secrets_are_sealed_and_kept_when_the_plan_is_written_anew(time: ManualClock) -> None:
    with pytest.raises(PlanError, match=r"secrets\.PLATFORM: a step uses it, and it was not given"):
        actions.add_plan(command_plan(STEP), CONSOLE)
    assert not Plan.objects.exists()
    actions.add_plan(command_plan(STEP), CONSOLE, secrets_given=GIVEN)
    actions.add_plan(command_plan({**STEP, "name": "Restart again"}), CONSOLE)
    row = Plan.objects.get()
    assert secrets.open_(row.secrets["PLATFORM"]) == GIVEN["PLATFORM"]
    stored = json.dumps([row.steps, row.secrets, list(Event.objects.values_list("params", flat=True))])
    assert GIVEN["PLATFORM"] not in stored
    actions.add_plan(command_plan({"name": "x", "argv": ["true"]}), CONSOLE)
    assert Plan.objects.get().secrets == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**GIVEN, "OTHER": "unused secret"}, "secrets.OTHER: no step uses it"),
        ({"PLATFORM": "abc"}, "secrets.PLATFORM: wanted at least"),
    ],
)
def test_a_secret_that_cannot_be_meant_is_refused(given: dict[str, str], said: str, time: ManualClock) -> None:
    with pytest.raises(PlanError) as refused:
        actions.add_plan(command_plan(STEP), CONSOLE, secrets_given=given)
    assert str(refused.value).startswith(said)


def add(slug: str, **changes: Any) -> Plan:
    return actions.add_plan(
        command_plan({"name": "x", "argv": ["do", "{service_name}"]}, slug=slug, **changes), CONSOLE
    )


def test_options_are_ranked_with_their_reasons_and_filled_in(incident: Incident) -> None:
    add("downgrade", verb="downgrade", comes_up_for=[{"app_id": "*"}])
    add("restart", verb="restart")
    add("roll-back", verb="rollback", undo="roll forward", comes_up_for=[{"app_id": "shop/orders", "error": "Zero*"}])
    add("elsewhere", comes_up_for=[{"app_id": "shop/mailer"}])
    options = queries.options_for(incident)
    assert [o.slug for o in options] == ["roll-back", "restart", "downgrade"]
    assert options[0].preview == ("do orders",)
    assert options[0].values["service"] == "shop/orders"
    assert options[0].values["version"] == "2.41"
    assert options[0].cause_rank == 1
    assert options[0].worked == (0, 0)


def test_without_a_cause_the_plans_of_the_failing_service_come_up(incident: Incident) -> None:
    add("restart-gateway", comes_up_for=[{"app_id": "shop/gateway"}])
    add("restart-orders")
    incident.diagnosis = None
    (option,) = queries.options_for(incident)
    assert option.slug == "restart-gateway"
    assert option.values["service"] == "shop/gateway"
    assert option.reasons[0].reason.code in {"plans.matches_service", "plans.fits"}


def test_a_dependency_nobody_records_is_matched_and_filled_in(incident: Incident) -> None:
    assert incident.diagnosis is not None
    incident.diagnosis.answer = answer_json(
        peer="orders-db", exception_class="dependency", error="ConnectionRefusedError"
    )
    incident.diagnosis.save()
    actions.add_plan(
        command_plan({"name": "x", "argv": ["restart", "{peer}"]}, comes_up_for=[{"app_id": "orders-db"}]), CONSOLE
    )
    (option,) = queries.options_for(incident)
    assert option.preview == ("restart orders-db",)


def past(plan: Plan, incident: Incident, state: RunState, time: ManualClock) -> None:
    other = Incident.objects.create(
        number=Incident.objects.count() + 1000, environment=incident.environment, severity=2, headline={},
        onset_at=time.now(), opened_at=time.now(), last_signal_at=time.now(),
    )  # fmt: skip
    Run.objects.create(plan=plan, incident=other, snapshot={}, state=state, started_at=time.now())


def test_what_worked_before_is_counted_over_all_incidents_and_failures_to_run_are_not(
    incident: Incident, time: ManualClock
) -> None:
    good, bad = add("good"), add("bad")
    for state in (RunState.HELPED, RunState.HELPED, RunState.DID_NOT_HELP, RunState.CANCELLED, RunState.FAILED):
        past(good, incident, state, time)
    for _ in range(3):
        past(bad, incident, RunState.DID_NOT_HELP, time)
    options = queries.options_for(incident)
    assert [(o.slug, o.worked) for o in options] == [("good", (2, 3)), ("bad", (0, 3))]
    view = queries.plan_by_slug("good")
    assert view.worked == (2, 3)
    assert [mark.state for mark in view.marks][-2:] == [RunState.CANCELLED, RunState.FAILED]


def test_options_take_the_same_number_of_queries_however_many_plans(
    incident: Incident, django_assert_num_queries: Any
) -> None:
    add("plan-0")
    with django_assert_num_queries(5):
        queries.options_for(incident)
    for number in range(1, 8):
        add(f"plan-{number}")
    with django_assert_num_queries(5):
        assert len(queries.options_for(incident)) == 8


# the command line

TOML = """
slug = "restart-orders"
name = "Restart orders"
verb = "restart"
[[steps]]
kind = "command"
name = "Restart"
argv = ["restart", "{service_name}"]
env = { TOKEN = "{secret:PLATFORM}" }
[[comes_up_for]]
app_id = "shop/orders"
"""


def run(*arguments: str, given: str = "") -> Any:
    return CliRunner().invoke(cli.app, list(arguments), input=given)


def test_plan_add_reads_a_secret_from_stdin_or_the_environment(
    tmp_path: Path, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(TOML)
    done = run("add", str(file), "--secret", "PLATFORM", given="from stdin\n")
    assert done.output == "“Restart orders” is written (restart-orders).\n"
    assert secrets.open_(Plan.objects.get().secrets["PLATFORM"]) == "from stdin"
    monkeypatch.setenv("HEMOSTAT_PLAN_SECRET_PLATFORM", "from the environment")
    assert run("add", "-", "--secret", "PLATFORM", given=TOML).exit_code == 0
    assert secrets.open_(Plan.objects.get().secrets["PLATFORM"]) == "from the environment"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (TOML, [], "secrets.PLATFORM: a step uses it"),
        (TOML, ["--secret", "PLATFORM"], "secret PLATFORM: nothing was given"),
        (TOML.replace("argv", "arg"), [], "steps[0].arg"),
    ],
)
def test_plan_add_says_what_is_wrong_and_writes_nothing(
    text: str, options: list[str], said: str, tmp_path: Path, time: ManualClock
) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    failed = run("add", str(file), *options)
    assert isinstance(failed.exception, UsageError)
    assert said in str(failed.exception)
    assert not Plan.objects.exists()


def test_a_file_that_is_not_there_is_said(time: ManualClock) -> None:
    failed = run("add", "/nowhere/plan.toml")
    assert isinstance(failed.exception, UsageError)
    assert "No such file" in str(failed.exception)


def test_plan_list_and_show_tell_the_plan(time: ManualClock) -> None:
    actions.add_plan(command_plan(STEP), CONSOLE, secrets_given=GIVEN)
    assert "restart-orders" in run("list").output
    shown = run("show", "restart-orders").output
    assert "1. Restart (command, at most 60 s)" in shown
    assert "Comes up for: shop/orders@* *:*" in shown
    data = json.loads(run("show", "restart-orders", "--json").output)
    assert data["secrets"] == ["PLATFORM"]
    assert data["steps"][0]["argv"] == ["restart", "{service_name}"]
    assert isinstance(run("show", "nothing").exception, NotFoundError)
