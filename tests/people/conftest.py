"""People of each role, and clients signed in as them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from hemostat.events.rules import CONSOLE
from hemostat.people import actions
from hemostat.people.models import User
from hemostat.people.rules import Role

PASSWORD = "a long walk at night"


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Make somebody with a role."""

    def make(role: Role = Role.OWNER, *, email: str = "") -> User:
        address = email or f"{role}@example.com"
        return actions.add_user(email=address, name=role.title(), role=role, password=PASSWORD, actor=CONSOLE)

    return make


@pytest.fixture
def signed_in(person: Callable[..., User]) -> Callable[..., Client]:
    """A client signed in as somebody with a role."""

    def client(role: Role = Role.OWNER) -> Client:
        browser = Client()
        browser.force_login(person(role))
        return browser

    return client
