"""The library's pages and the REST operations."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from django.test import Client

from hemostat.base.clock import ManualClock
from hemostat.events.rules import CONSOLE
from hemostat.incidents.models import Incident
from hemostat.people.models import User
from hemostat.people.rules import Role
from hemostat.plans import actions, queries
from hemostat.plans.models import Plan, Run
from hemostat.plans.rules.states import RunState
from tests.plans.conftest import START
from tests.plans.helpers import command_plan
from tests.plans.test_run import python, work

pytestmark = pytest.mark.django_db

STEPS = (
    {
        "name": "Restart {service_name}",
        "argv": ["restart", "{service_name}"],
        "env": {"TOKEN": "{secret:PLATFORM}"},
        "guards": [{"kind": "kpi_still_bad"}],
    },
)


@pytest.fixture
def plan(incident: Incident) -> Plan:
    data = command_plan(*STEPS, touches="orders, two instances", undo="start the former ones")
    return actions.add_plan(data, CONSOLE, secrets_given={"PLATFORM": "a very secret token"})


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def past(plan: Plan, incident: Incident, state: RunState, after: float) -> None:
    Run.objects.create(
        plan=plan, incident=incident, snapshot={}, state=state, started_at=START, finished_at=START,
        kpi_before=0.12, kpi_after=after,
    )  # fmt: skip


def test_the_library_shows_every_plan_with_its_record(browser: Client, plan: Plan, incident: Incident) -> None:
    past(plan, incident, RunState.HELPED, 0.99)
    past(plan, incident, RunState.DID_NOT_HELP, 0.31)
    response = browser.get("/plans/")
    page = text_of(response)
    assert "Restart orders" in page
    assert "orders, two instances" in page
    assert "1 of 2" in page
    assert response.content.decode().count('class="yes"') == 1
    assert response.content.decode().count('class="no"') == 1


def test_an_empty_library_says_how_to_fill_it(browser: Client, db: None) -> None:
    assert "hemostat plan add FILE" in text_of(browser.get("/plans/"))


def test_a_plan_shows_steps_guards_undo_and_never_a_secret(browser: Client, plan: Plan, incident: Incident) -> None:
    past(plan, incident, RunState.DID_NOT_HELP, 0.31)
    page = text_of(browser.get("/plans/restart-orders/"))
    for shown in (
        "restart {service_name}",
        "The KPI is still bad",
        "start the former ones",
        "PLATFORM",
        "31",
        "INC-318",
    ):
        assert shown in page
    assert "a very secret token" not in page


def test_a_plan_is_filled_in_from_an_incident(browser: Client, plan: Plan) -> None:
    page = text_of(browser.get("/plans/restart-orders/?incident=INC-318"))
    assert "Filled in from INC-318" in page
    assert "restart orders" in page
    assert "Restart orders" in page
    assert "{service_name}" not in page
    assert browser.get("/plans/restart-orders/?incident=INC-999").status_code == 404
    assert browser.get("/plans/nothing/").status_code == 404


def test_pages_need_a_sign_in(db: None) -> None:
    assert Client().get("/plans/").status_code == 302
    assert Client().get("/api/v1/plans").status_code == 401


def test_the_api_offers_starts_and_shows_a_run(
    browser: Client, incident: Incident, user: User, time: ManualClock
) -> None:
    data = command_plan({"name": "Say it", "argv": [sys.executable, "-c", "print('restarted')"]})
    actions.add_plan(data, CONSOLE)
    (option,) = browser.get("/api/v1/incidents/INC-318/options").json()
    assert (option["slug"], option["helped"], option["runs"], option["cannot"]) == ("restart-orders", 0, 0, None)
    assert option["why"]
    wrong = browser.post("/api/v1/incidents/INC-318/runs", {"plan": "nothing"}, content_type="application/json")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "plan"
    key = {"Idempotency-Key": "press-1"}
    started = [
        browser.post(
            "/api/v1/incidents/INC-318/runs", {"plan": "restart-orders"}, content_type="application/json", headers=key
        )
        for _ in range(2)
    ]
    assert [s.status_code for s in started] == [201, 201]
    assert started[0].json() == started[1].json()
    again = browser.post("/api/v1/incidents/INC-318/runs", {"plan": "restart-orders"}, content_type="application/json")
    assert again.status_code == 409
    run_id = started[0].json()["id"]
    assert started[0].json()["plan_name"] == "Restart orders"
    assert started[0].json()["steps"] == [
        {"position": 0, "name": "Say it", "kind": "command", "state": "waiting", "reason": None, "output": "",
         "started_at": None, "finished_at": None},
    ]  # fmt: skip
    assert browser.post(f"/api/v1/runs/{run_id}/cancel").json() == {"changed": True}
    assert browser.post(f"/api/v1/runs/{run_id}/cancel").json() == {"changed": False}
    shown = browser.get(f"/api/v1/runs/{run_id}").json()
    assert shown["state"] == "cancelled"
    assert shown["outcome"] == "“Restart orders” was stopped: Pat stopped it."
    assert [r["id"] for r in browser.get("/api/v1/incidents/INC-318/runs").json()] == [run_id]
    assert browser.get("/api/v1/runs/999").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_api_takes_the_answer_about_an_unknown_step(
    browser: Client, incident: Incident, user: User, time: ManualClock
) -> None:
    plan = actions.add_plan(command_plan(python("import os; os.kill(os.getpid(), 9)")), CONSOLE)
    run_id = actions.start(plan.pk, incident.pk, user=user).pk
    work(time)
    assert browser.get(f"/api/v1/runs/{run_id}").json()["state"] == "outcome_unknown"
    said = browser.post(f"/api/v1/runs/{run_id}/decide", {"happened": False}, content_type="application/json")
    assert said.json() == {"changed": True}
    assert queries.run(run_id).state is RunState.FAILED


def test_a_viewer_may_look_and_not_press(incident: Incident, plan: Plan) -> None:
    viewer = User.objects.create(email="v@example.test", name="V", role=Role.VIEWER, created_at=START)
    client = Client()
    client.force_login(viewer)
    assert client.get("/plans/").status_code == 200
    refused = client.post("/api/v1/incidents/INC-318/runs", {"plan": "restart-orders"}, content_type="application/json")
    assert refused.status_code == 403
    assert not Run.objects.exists()


@pytest.mark.parametrize("number", [1, 9])
def test_pages_take_the_same_number_of_queries_however_many_plans(
    number: int, browser: Client, incident: Incident, django_assert_max_num_queries: Any
) -> None:
    for n in range(number):
        data = command_plan({"name": "x", "argv": ["true"]}, slug=f"plan-{n}", name=f"Plan {n}")
        past(actions.add_plan(data, CONSOLE), incident, RunState.HELPED, 1.0)
    with django_assert_max_num_queries(9):
        browser.get("/plans/")
