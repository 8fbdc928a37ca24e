"""The command line: help leaves nothing behind, exit codes mean something, and every room's commands are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hemostat.base.failures import Exit
from tests.installation import Installation

OURS = ("up", "demo", "doctor", "retry", "web", "intake", "engine", "migrate", "version", "setup-code")
ROOMS = ("incidents", "ack", "run", "user", "token", "service", "source", "schedule", "policy", "plan")


@pytest.fixture
def nowhere(tmp_path: Path) -> Installation:
    """A machine on which nothing runs."""
    return Installation(tmp_path / "data")


def test_help_shows_every_command_and_leaves_nothing_behind(nowhere: Installation) -> None:
    shown = nowhere.run("--help")
    assert shown.returncode == Exit.OK
    listed = {line.split()[0] for line in shown.stdout.partition("Commands:")[2].splitlines() if line.strip()}
    assert listed >= {*OURS, *ROOMS}
    assert "5 unreachable" in " ".join(shown.stdout.split())
    assert not nowhere.data.exists()


def test_the_version_is_told_to_people_and_programs(nowhere: Installation) -> None:
    assert nowhere.run("version").stdout.startswith("Hemostat ")
    assert set(json.loads(nowhere.run("version", "--json").stdout)) == {"hemostat", "python", "embedded_postgresql"}


@pytest.mark.parametrize("command", [("user", "list"), ("doctor",), ("migrate",), ("setup-code",), ("retry",)])
def test_commands_that_need_the_database_say_so_when_it_is_away(
    nowhere: Installation, command: tuple[str, ...]
) -> None:
    refused = nowhere.run(*command, DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/hemostat")
    told = refused.stdout + refused.stderr
    assert refused.returncode == (Exit.FAILURE if command == ("doctor",) else Exit.UNREACHABLE), told
    assert "cannot be reached" in told
    assert "Traceback" not in told
    assert "s3cret" not in told


def test_commands_for_an_installation_elsewhere_need_no_folder_here(nowhere: Installation) -> None:
    refused = nowhere.run("incidents")
    assert refused.returncode == Exit.USAGE
    assert "HEMOSTAT_TOKEN is not set" in refused.stderr
    away = nowhere.run("incidents", HEMOSTAT_TOKEN="hs_x", HEMOSTAT_URL="http://127.0.0.1:1")
    assert away.returncode == Exit.UNREACHABLE
    assert not nowhere.data.exists()


def test_an_unknown_command_is_wrong_use(nowhere: Installation) -> None:
    assert nowhere.run("destroy").returncode == Exit.USAGE


def test_every_exit_code_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    documented = {line.split("|")[1].strip() for line in page.partition("## Exit codes")[2].splitlines() if "|" in line}
    assert documented >= {str(code.value) for code in Exit}
