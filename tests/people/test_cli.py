"""People, tokens and services from the console, for people and for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from typer.testing import CliRunner

from hemostat.base.console import Exit, NotFoundError, UsageError
from hemostat.base.refusals import RefusedError
from hemostat.catalog import cli as catalog
from hemostat.people import cli, queries

pytestmark = pytest.mark.django_db
PASSWORD = "a long walk at night"


def run(*words: str, app: Any = cli.app, stdin: str = "") -> str:
    """The output of a command; what it raises is raised here."""
    result = CliRunner().invoke(app, words, input=stdin, catch_exceptions=False)
    assert result.exit_code == Exit.OK, result.output
    return result.output


def add(email: str, role: str = "owner") -> Any:
    return json.loads(
        run("user", "add", email, "--role", role, "--password-stdin", "--json", stdin=f"{PASSWORD}\nmore\n")
    )


def test_a_person_added_with_a_piped_password_can_sign_in() -> None:
    assert add("ada@example.com")["role"] == "owner"
    user = queries.user_by_email("ada@example.com")
    assert user is not None
    assert user.name == "ada"
    assert user.check_password(PASSWORD)
    assert "ada@example.com  ada   owner  yes" in run("user", "list")


def test_without_a_terminal_no_password_is_asked_for() -> None:
    with pytest.raises(UsageError, match="no terminal"):
        run("user", "add", "ada@example.com")
    assert not queries.anybody()


def test_a_link_from_the_console_lets_a_person_choose_a_password() -> None:
    said = json.loads(run("user", "add", "ada@example.com", "--role", "owner", "--invite", "--json"))
    assert said["link"].startswith("http://localhost:8080/join/")
    path = said["link"].removeprefix("http://localhost:8080")
    assert Client().post(path, {"password": PASSWORD}).status_code == 302
    assert run("user", "invite", "ada@example.com").startswith("http://localhost:8080/join/")


def test_the_last_owner_keeps_the_role_and_the_command_fails() -> None:
    add("ada@example.com")
    with pytest.raises(RefusedError, match="last owner"):
        run("user", "role", "ada@example.com", "viewer")
    add("bob@example.com", "viewer")
    run("user", "role", "bob@example.com", "manager")
    assert [p["role"] for p in json.loads(run("user", "list", "--json"))] == ["owner", "manager"]


@pytest.mark.parametrize("words", [["token", "create", "x", "--user", "no@example.com"], ["token", "revoke", "hs_no"]])
def test_what_does_not_exist_is_told_as_that(words: list[str]) -> None:
    with pytest.raises(NotFoundError):
        run(*words)


def test_a_token_is_printed_once_listed_by_its_beginning_and_revoked_by_it() -> None:
    add("ada@example.com")
    text = run("token", "create", "laptop", "--user", "ada@example.com").strip()
    assert queries.holder_of(text) is not None
    listed = json.loads(run("token", "list", "--json"))
    assert [(t["name"], t["email"]) for t in listed] == [("laptop", "ada@example.com")]
    assert text not in run("token", "list")
    run("token", "revoke", listed[0]["hint"])
    assert queries.holder_of(text) is None
    assert json.loads(run("token", "revoke", text, "--json"))["changed"] is False
    assert json.loads(run("token", "list", "--json")) == []


def test_services_from_the_console() -> None:
    run("add", "shop/orders", "--tier", "core", "--purpose", "order", app=catalog.app)
    assert "shop/orders  Orders  core  order    by hand" in run("list", app=catalog.app)
    with pytest.raises(RefusedError, match="already is a service"):
        run("add", "shop/orders", app=catalog.app)
