"""One failure, from the first failing request to a verified recovery, for each of the lab's two faults.

Real processes, a real mail server, a real browser. The services bear each other's names, so that nothing can have
been keyed to them. With HEMOSTAT_FULL=1 it is told again with the usual ones, and each time after ten minutes of
healthy traffic.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from hemostat_lab import injector
from hemostat_lab.layout import Role, shuffled_names
from tests.installation import eventually
from tests.lab.folders import folder_for_all
from tests.story.browser import acknowledge, phone, press_plan, sign_in
from tests.story.world import BASELINE_S, World, world

pytestmark = [pytest.mark.story, pytest.mark.browser]

FULL = bool(os.environ.get("HEMOSTAT_FULL"))
NAMES = {"shuffled": shuffled_names(11), **({"usual": None} if FULL else {})}
HEALTHY_S = 600 - BASELINE_S if FULL else 0
"""Besides the baseline."""
PAGED_WITHIN_S = 15
RECOVERED_WITHIN_S = 60


@pytest.fixture(scope="module", params=NAMES)
def shop(request: pytest.FixtureRequest) -> Iterator[World]:
    """Hemostat and the shop after a baseline of healthy traffic."""
    with folder_for_all() as folder, world(folder, NAMES[request.param]) as started:
        yield started


@pytest.fixture
def hand(shop: World) -> Iterator[Page]:
    """A responder's phone, signed in."""
    with phone() as page:
        sign_in(page, shop.url)
        yield page


def test_healthy_traffic_with_its_noise_opens_no_incident(shop: World) -> None:
    time.sleep(HEALTHY_S)
    traffic = shop.lab.traffic()
    assert traffic["failed"] > 0, "the noise is there"
    assert shop.users_are_served()
    assert shop.all_codes() == []


def test_a_refusing_store_is_named_and_only_its_restart_heals(shop: World, hand: Page) -> None:
    shop.wait_until_calm()
    store, orders = shop.names[Role.STORE], shop.names[Role.ORDERS]
    broken_at = time.monotonic()
    shop.lab.fault(injector.STORE_REFUSES)

    code = shop.wait_for_incident()
    link = shop.ack_link(code)
    assert time.monotonic() - broken_at <= PAGED_WITHIN_S
    cause = shop.first_cause(code, lambda c: c["service"] == store)
    assert cause["operation"] in {"INSERT orders", "SELECT orders"}
    assert (cause["kind"], cause["error"]) == ("dependency", "psycopg.OperationalError")
    assert store in cause["sentence"]

    assert shop.incident(code)["users_affected"] > 0

    acknowledge(hand, link)
    eventually(lambda: shop.incident(code)["state"] == "acknowledged", within=5, why="acknowledged by the link")

    assert shop.options(code)[0] == f"restart-{store}"
    assert f"restart-{orders}" in shop.options(code)
    press_plan(hand, shop.url, code, f"Restart {orders}")
    shop.wait_for(code, "plans.run_did_not_help", within=75)
    assert not shop.users_are_served(), "a wrong plan must not heal"
    assert shop.options(code)[0] == f"restart-{store}", "the next option is offered"
    assert shop.options(code)[-1] == f"restart-{orders}", "what did not help is offered last"

    press_plan(hand, shop.url, code, f"Restart {store}")
    helped = shop.wait_for(code, "plans.run_helped", within=60)
    assert helped["params"]["after"] > helped["params"]["before"]
    shop.wait_for(code, "incidents.mitigated", within=10)
    assert shop.users_are_served()
    shop.wait_for(code, "incidents.resolved", within=60)


def test_a_bad_release_is_named_and_one_click_rolls_it_back(shop: World, hand: Page) -> None:
    shop.wait_until_calm()
    payment = shop.names[Role.PAYMENT]
    shop.lab.fault(injector.BAD_RELEASE)
    broken_at = time.monotonic()

    code = shop.wait_for_incident()
    link = shop.ack_link(code)
    assert time.monotonic() - broken_at <= PAGED_WITHIN_S
    cause = shop.first_cause(code, lambda c: c["service"] == payment)
    assert cause["operation"] == "POST /charges"
    assert cause["error"] == "KeyError"
    assert cause["kind"] == "internal"

    acknowledge(hand, link)
    assert shop.options(code)[0] == f"roll-back-{payment}"
    press_plan(hand, shop.url, code, f"Roll back {payment}")
    shop.wait_for(code, "plans.run_helped", within=RECOVERED_WITHIN_S)
    shop.wait_for(code, "incidents.mitigated", within=10)
    assert shop.users_are_served()
    shop.wait_for(code, "incidents.resolved", within=60)
    assert shop.lab.operations.status()["services"][payment]["release"] == "1.4.0"


def test_each_failure_was_one_incident(shop: World) -> None:
    assert len(shop.all_codes()) == 2
