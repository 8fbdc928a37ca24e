"""Schedules, ways and policies from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hemostat.base.clock import ManualClock
from hemostat.base.console import NotFoundError, UsageError
from hemostat.base.refusals import RefusedError
from hemostat.channels import cli as contact
from hemostat.oncall import cli as schedule
from hemostat.paging import cli as policy
from tests.paging.world import person

pytestmark = pytest.mark.django_db(transaction=True)
runner = CliRunner()


def run(room: object, *args: str) -> str:
    result = runner.invoke(room.app, list(args), catch_exceptions=True)  # type: ignore[attr-defined]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_rota_and_a_policy_are_set_up_from_the_console(time: ManualClock) -> None:
    for name in ("Anna", "Ben", "Lead"):
        person(name)
        run(contact, "add", f"{name.lower()}@example.org", "--verified")
    zone = ("--tz", "Europe/Berlin", "--anchor", "2026-11-16T09:00")
    users = ("--user", "anna@example.org", "--user", "ben@example.org")
    assert "Anna is on call for Primary (primary) now." in run(schedule, "add", "Primary", *zone, *users)
    (row,) = json.loads(run(schedule, "list", "--json"))
    assert (row["on_call"], row["then"], row["until"]) == (
        "anna@example.org",
        "ben@example.org",
        "2026-11-23T08:00:00+00:00",
    )
    tiers = ("--tier", "schedule:primary,120", "--tier", "user:lead@example.org, user:ben@example.org")
    assert "the default" in run(policy, "add", "Shop", *tiers, "--fallback", "lead@example.org")
    assert "Primary (120 s) → Lead + Ben (300 s)" in run(policy, "list")
    assert "email" in run(contact, "list", "anna@example.org")


@pytest.mark.parametrize(
    ("tier", "error"),
    [
        ("primary", UsageError),
        ("schedule:nowhere", NotFoundError),
        ("user:nobody@example.org", NotFoundError),
        ("300,user:anna@example.org", UsageError),
        ("", RefusedError),
    ],
)
def test_a_tier_that_cannot_be_read_is_refused(tier: str, error: type[Exception], time: ManualClock) -> None:
    person("Anna", "email")
    with pytest.raises(error):
        run(policy, "add", "Shop", "--tier", tier, "--fallback", "anna@example.org")


@pytest.mark.parametrize("anchor", ["soon", "2026-11-16T09:00+01:00"])
def test_an_anchor_that_cannot_be_read_is_refused(anchor: str, time: ManualClock) -> None:
    person("Anna")
    with pytest.raises(UsageError, match="--anchor"):
        run(schedule, "add", "Primary", "--user", "anna@example.org", "--anchor", anchor)
