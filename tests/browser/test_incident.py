"""What the responder's page promises: four answers above the fold, few bytes, two taps without script, and no
question asked twice while nothing changed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from hemostat.incidents.models import Incident, IncidentRole
from hemostat.incidents.rules.states import Role, State
from hemostat.plans.models import Run
from hemostat.plans.rules.states import RunState
from tests.browser import scenes
from tests.browser.conftest import DESK, PHONE
from tests.browser.scenes import Scene, World

pytestmark = pytest.mark.django_db(transaction=True)
FOLD = 844
MOST_BYTES = 40_000

Play = Callable[[Scene], World]
Visit = Callable[..., BrowserContext]


def _tap(page: Page, name: str) -> None:
    """Press a button that leads to the next page, as a thumb does."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).tap()


def _bottom(page: Any, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None, f"{selector} is not on the page"
    return float(box["y"] + box["height"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_why_do_and_who_stand_above_the_fold_of_a_phone(theme: str, play: Play, visit: Visit) -> None:
    world = play(scenes.open_incident)
    page = visit(world.reader, color_scheme=theme, **PHONE).new_page()
    page.goto(f"/incidents/{world.code}/")
    ends = {
        "what": _bottom(page, "#inc-what"),
        "why": _bottom(page, "section[aria-labelledby=why-h]"),
        "do": _bottom(page, "#run"),
        "who": _bottom(page, "#inc-who .who"),
        "help": _bottom(page, "#help"),
    }
    assert list(ends.values()) == sorted(ends.values()), f"out of reading order: {ends}"
    assert ends["help"] <= FOLD, f"below the fold of {FOLD}: {ends}"


@pytest.mark.parametrize("scene", [scenes.open_incident, scenes.running, scenes.did_not_help, scenes.resolved])
def test_the_page_with_its_styles_is_at_most_40_kb_on_the_wire(scene: Scene, play: Play) -> None:
    world = play(scene)
    client = Client(HTTP_ACCEPT_ENCODING="gzip")
    client.force_login(world.reader)
    page = client.get(f"/incidents/{world.code}/")
    assert page.headers["Content-Encoding"] == "gzip"
    html = gzip.decompress(page.content).decode()
    total = len(page.content)
    for sheet in ("hemostat.css", "dark.css"):
        start = html.index(f"/static/base/{sheet}")
        answer = client.get(html[start : html.index('"', start)])
        assert answer.headers["Content-Encoding"] == "gzip"
        total += len(b"".join(answer.streaming_content))
    assert total <= MOST_BYTES, f"{total} bytes"


def test_acknowledging_and_running_work_without_script(play: Play, visit: Visit) -> None:
    world = play(scenes.open_incident)
    page = visit(world.reader, java_script_enabled=False, **PHONE).new_page()
    page.goto(f"/incidents/{world.code}/")
    _tap(page, "Acknowledge")
    assert page.url.endswith(f"/incidents/{world.code}/")
    assert page.get_by_text("Acknowledged", exact=True).is_visible()
    incident = Incident.objects.get(number=318)
    assert (incident.state, incident.acknowledged_by) == (State.ACKNOWLEDGED, world.reader)

    _tap(page, "Roll back orders")
    assert page.get_by_role("heading", name="Running").is_visible()
    run = Run.objects.get(incident=incident)
    assert (run.plan.slug, run.state, run.started_by) == ("roll-back-orders", RunState.RUNNING, world.reader)
    assert IncidentRole.objects.get(incident=incident, role=Role.RECOVERY).user == world.reader


def test_running_alone_acknowledges_too(play: Play, visit: Visit) -> None:
    world = play(scenes.open_incident)
    page = visit(world.reader, java_script_enabled=False, **PHONE).new_page()
    page.goto(f"/incidents/{world.code}/")
    _tap(page, "Roll back orders")
    assert Incident.objects.get(number=318).acknowledged_by == world.reader


def test_a_person_says_whether_a_step_happened(play: Play, visit: Visit) -> None:
    world = play(scenes.unknown)
    page = visit(world.reader, java_script_enabled=False, **PHONE).new_page()
    page.goto(f"/incidents/{world.code}/")
    _tap(page, "It did not")
    assert Run.objects.get(incident=world.incident).state == RunState.FAILED
    assert page.get_by_text("could not be finished").is_visible()
    assert page.get_by_role("button", name="Restart the orders pool").is_visible()


def test_an_open_page_asks_again_and_is_answered_304_until_something_happens(play: Play, visit: Visit) -> None:
    world = play(scenes.open_incident)
    page = visit(world.reader, **DESK).new_page()
    answers: list[int] = []
    page.on("response", lambda r: answers.append(r.status) if r.url.endswith("/live/") else None)
    page.goto(f"/incidents/{world.code}/")
    page.fill("#note-text", "half a thou")
    page.wait_for_timeout(5_000)
    assert answers, "the page never asked"
    assert set(answers) == {304}

    client = Client()
    client.force_login(world.second)
    client.post(f"/incidents/{world.code}/acknowledge/")
    expect(page.locator("#inc-ack")).to_contain_text("Payments on call", timeout=6_000)
    expect(page.locator("#inc-timeline")).to_contain_text("Payments on call acknowledged")
    assert 200 in answers
    assert page.input_value("#note-text") == "half a thou", "what was being typed is gone"


def test_clocks_tick_by_the_servers_time(play: Play, visit: Visit) -> None:
    world = play(scenes.open_incident)
    page = visit(world.reader, **DESK).new_page()
    page.goto(f"/incidents/{world.code}/")
    clock = page.locator("#inc-what .stages time")
    before = clock.inner_text()
    assert before.startswith("in 1:5"), before
    expect(clock).not_to_have_text(before, timeout=3_000)


def test_closed_incidents_ask_no_more(play: Play, visit: Visit) -> None:
    world = play(scenes.resolved)
    page = visit(world.reader, **DESK).new_page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/live/") else None)
    page.goto(f"/incidents/{world.code}/")
    page.wait_for_timeout(3_000)
    assert asked == []
    assert page.get_by_role("button", name="I need help").count() == 0
