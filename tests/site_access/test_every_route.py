"""Every route declares who may use it, and lets exactly those in.

Each is tried with every role, without a session and with a revoked token. The addresses name things that do not
exist, so that somebody who may gets past the guard and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from hemostat.events.rules import CONSOLE
from hemostat.people import actions
from hemostat.people.models import User
from hemostat.people.rules import Permission, Role, may
from tests.site_access.routes import Route, every_route, walk

pytestmark = pytest.mark.django_db
ROUTES = every_route()


@pytest.fixture
def people() -> dict[Role, User]:
    """Somebody of each role, with one password hashed once, since hashing takes long on purpose."""
    found = {
        role: actions.add_user(email=f"{role}@example.com", name=role, role=role, password=None, actor=CONSOLE)
        for role in Role
    }
    for user in found.values():
        user.password = _hashed()
        user.save()
    return found


@cache
def _hashed() -> str:
    return make_password("a long walk at night")


def ask(route: Route, client: Client, **headers: str) -> Any:
    return client.generic(
        route.method,
        route.example,
        b"{}" if route.is_api else b"",
        content_type="application/json" if route.is_api else "application/x-www-form-urlencoded",
        headers=headers,
    )


def outcome(answer: Any) -> str:
    """What the guard did: `unknown` (who are you?), `denied` (not you), or `let in`."""
    if answer.status_code == 401 or answer.get("Location", "").startswith("/accounts/login/?next="):
        return "unknown"
    return "denied" if answer.status_code == 403 else "let in"


def test_there_are_routes_of_pages_and_of_the_api() -> None:
    assert {r.is_api for r in ROUTES} == {True, False}
    assert len(ROUTES) > 30


def test_every_route_declares_its_permission() -> None:
    undeclared = [str(r) for r in ROUTES if not isinstance(r.permission, Permission)]
    assert not undeclared, f"decorate with requires(...) or give auth=token_or_session(...): {undeclared}"


def test_a_route_that_declares_nothing_is_found() -> None:
    def forgotten(request: HttpRequest) -> HttpResponse:
        raise AssertionError

    (get, post) = walk([path("<int:number>/forgotten/", forgotten)])
    assert (get.permission, post.permission) == (None, None)
    assert get.example == "/999999/forgotten/"


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_lets_in_those_whom_the_table_allows_and_nobody_else(
    route: Route, people: dict[Role, User], make_token: Callable[[User], tuple[Any, str]]
) -> None:
    assert route.permission is not None
    for role, user in people.items():
        if route.is_api:
            _token, text = make_token(user)
            answer = ask(route, Client(raise_request_exception=True), authorization=f"Bearer {text}")
        else:
            client = Client(raise_request_exception=True)
            client.force_login(user)
            answer = ask(route, client)
        assert answer.status_code < 500
        assert outcome(answer) == ("let in" if may(role, route.permission) else "denied"), role


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_asks_strangers_who_they_are_unless_it_is_public(
    route: Route, people: dict[Role, User], make_token: Callable[[User], tuple[Any, str]]
) -> None:
    wanted = "let in" if route.permission is Permission.PUBLIC else "unknown"
    assert outcome(ask(route, Client())) == wanted, "without a session"

    token, text = make_token(people[Role.OWNER])
    actions.revoke_token(token.pk, actor=CONSOLE)
    assert outcome(ask(route, Client(), authorization=f"Bearer {text}")) == wanted, "with a revoked token"

    client = Client()
    client.force_login(people[Role.VIEWER])
    User.objects.filter(pk=people[Role.VIEWER].pk).update(is_active=False)
    assert outcome(ask(route, client)) == wanted, "with the session of somebody shut out"


@pytest.fixture
def make_token() -> Callable[[User], tuple[Any, str]]:
    """Make a token for somebody."""
    return lambda user: actions.create_token(user=user, name="test", actor=CONSOLE)
