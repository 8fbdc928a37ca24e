"""The catalog: services made by hand or by telemetry, environments by name."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hemostat.base.refusals import RefusedError
from hemostat.catalog import actions, queries
from hemostat.catalog.rules import Tier
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE

pytestmark = pytest.mark.django_db


def test_telemetry_names_a_service_and_seeing_it_again_costs_one_query_and_changes_nothing() -> None:
    first = actions.discover_service("shop/checkout-api")
    with CaptureQueriesContext(
        connection,
    ) as seen:
        again = actions.discover_service("shop/checkout-api")
    assert again == first
    assert len(seen) == 1
    assert (first.label, first.slug, first.discovered) == ("Checkout api", "shop-checkout-api", True)
    assert [e.kind for e in events.about("service", "shop/checkout-api")] == ["catalog.service_discovered"]


def test_a_discovered_service_is_taken_over_by_hand_once() -> None:
    actions.discover_service("shop/orders")
    service = actions.add_service(
        app_id="shop/orders", label="Orders", tier="core", purpose="order", policy_slug="", actor=CONSOLE
    )
    assert (service.tier, service.purpose, service.discovered) == (Tier.CORE, "order", False)
    assert queries.tier("shop/orders") is Tier.CORE
    assert queries.tier("shop/unknown") is Tier.NORMAL
    with pytest.raises(RefusedError, match="already is a service") as refusal:
        actions.add_service(app_id="shop/orders", actor=CONSOLE)
    assert refusal.value.conflict


def test_two_names_that_make_the_same_slug_are_two_services() -> None:
    one, two = (
        actions.discover_service("shop/orders"),
        actions.discover_service("shop orders".replace(" ", ".")),
    )
    assert one.slug == "shop-orders"
    assert two.slug.startswith("shop-orders-")
    assert queries.labels({"shop/orders", "nobody"}) == {"shop/orders": "Orders", "nobody": "nobody"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"app_id": "two words"}, "app_id"),
        ({"app_id": ""}, "app_id"),
        ({"app_id": "x" * 201}, "app_id"),
        ({"tier": "vital"}, "tier"),
        ({"policy_slug": "Not A Slug"}, "policy_slug"),
        ({"purpose": "x" * 121}, "purpose"),
    ],
)
def test_bad_input_names_its_field_and_adds_nothing(change: dict[str, str], field: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        actions.add_service(**{"app_id": "shop/orders", **change}, actor=CONSOLE)
    assert refusal.value.field == field
    assert queries.services() == []


def test_an_environment_is_made_once_and_keeps_whether_it_pages() -> None:
    quiet = actions.ensure_environment("staging", paging=False)
    assert actions.ensure_environment("staging") == quiet
    assert [e.slug for e in queries.environments()] == ["staging"]
    with pytest.raises(RefusedError) as refusal:
        actions.ensure_environment("Not good")
    assert refusal.value.field == "environment"
