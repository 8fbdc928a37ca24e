"""The registry: a code is read back as the place it stands for, and people can say what it means."""

from __future__ import annotations

import pytest

from hemostat.coordinates import actions, queries
from hemostat.coordinates.models import ExceptionCoordinate
from hemostat.coordinates.rules.exceptions import ExceptionClass, NodeException
from hemostat.coordinates.rules.system import System
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE

pytestmark = pytest.mark.django_db(transaction=True)

PATH = [System("gateway", "POST /pay"), System("orders", "POST /orders")]
FAILURE = NodeException(PATH[1].code, ExceptionClass.DEPENDENCY, "ConnectionRefusedError", "orders-db")


def test_a_registered_coordinate_is_read_back_and_registering_twice_changes_nothing() -> None:
    link_code, exception_code = actions.register(PATH, FAILURE)
    actions.describe(exception_code, meaning="the store is down", owner="orders team", actor=CONSOLE)
    assert actions.register(PATH, FAILURE) == (link_code, exception_code)
    found = queries.link(link_code)
    assert found is not None
    assert found.path == tuple(PATH)
    view = queries.exception(exception_code)
    assert view is not None
    assert (view.coordinate, view.system, view.meaning, view.owner) == (
        FAILURE,
        PATH[1],
        "the store is down",
        "orders team",
    )
    assert [e.kind for e in events.about("coordinate", exception_code)] == ["coordinates.described"]


def test_an_unknown_code_stands_for_nothing() -> None:
    assert queries.system("x") is None
    assert queries.link("x") is None
    assert queries.exception("x") is None
    with pytest.raises(ExceptionCoordinate.DoesNotExist):
        actions.describe("x", meaning="", owner="", actor=CONSOLE)
