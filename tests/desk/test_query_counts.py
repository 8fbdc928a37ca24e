"""How many queries each page makes: a baseline, so that no page gets slow silently.

A page may make fewer; whoever lowers a figure lowers it here too.
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hemostat.base import clock
from tests.browser import scenes
from tests.browser.scenes import Scene, World

pytestmark = pytest.mark.django_db
MOST = {
    "/": 25,
    "/now/live/": 23,
    "/incidents/": 6,
    "/incidents/INC-318/": 21,
    "/incidents/INC-318/diagnosis/": 9,
    "/sources/": 6,
    "/set-up/": 18,
}
"""Two of each are the session and its user."""


def _queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200, path
    return len(captured)


@pytest.mark.parametrize("path", MOST)
def test_a_page_makes_no_more_queries_than_its_baseline(path: str) -> None:
    world = scenes.busy()
    client = Client()
    client.force_login(world.reader)
    with clock.using(world.clock):
        made = _queries(client, path)
    assert made <= MOST[path], f"{path}: {made} queries"


def test_an_unchanged_incident_is_answered_by_a_few_queries() -> None:
    world = scenes.open_incident()
    client = Client()
    client.force_login(world.reader)
    with clock.using(world.clock):
        tag = client.get(f"/incidents/{world.code}/live/").headers["ETag"]
        with CaptureQueriesContext(connection) as captured:
            again = client.get(f"/incidents/{world.code}/live/", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert len(captured) <= 6


@pytest.mark.parametrize("scene", [scenes.open_incident, scenes.busy])
def test_the_list_of_incidents_costs_the_same_however_long_it_is(scene: Scene) -> None:
    world: World = scene()
    client = Client()
    client.force_login(world.reader)
    with clock.using(world.clock):
        assert _queries(client, "/incidents/") <= MOST["/incidents/"]
