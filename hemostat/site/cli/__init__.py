"""The `hemostat` command: the processes, and whatever the rooms contribute.

A room contributes by a module `cli.py` with `app`, a `typer.Typer()`, and `NAME`: the word in front of its
commands, or `""` to have them (and its groups) at the top. Rooms' modules are imported only when one of their commands
or the whole help is asked for, and then with Django; `hemostat intake` must start without it.
"""

from __future__ import annotations

import os
import secrets
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

# Plain help everywhere: quick to print, and the same in every terminal. Read by typer when it is imported.
os.environ.setdefault("TYPER_USE_RICH", "0")

import typer
from typer._click import Command, Context
from typer.core import TyperGroup
from typer.main import get_command

from hemostat.base.failures import Exit, HemostatError
from hemostat.base.refusals import RefusedError
from hemostat.site.cli import processes
from hemostat.site.config import ConfigError

REMOTE_ROOMS = ("desk",)
"""Rooms whose commands speak the REST API: they run on any machine, without Django, settings or a database."""


class Assembled(TyperGroup):
    """The commands of this room, and behind them those of all the others."""

    def list_commands(self, ctx: Context) -> list[str]:
        # Help must leave nothing behind: with a key of its own, Django's settings do not make the key file.
        os.environ.setdefault("HEMOSTAT_SECRET_KEY", secrets.token_urlsafe(48))
        return [*super().list_commands(ctx), *sorted({**remote_commands(), **local_commands()})]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        return super().get_command(ctx, cmd_name) or remote_commands().get(cmd_name) or local_commands().get(cmd_name)


@cache
def remote_commands() -> dict[str, Command]:
    """The commands that need nothing but the address of an installation."""
    return _contributed(list(REMOTE_ROOMS))


@cache
def local_commands() -> dict[str, Command]:
    """The commands that work on this machine's installation, or the database named by DATABASE_URL."""
    from hemostat.site.django import django_setup

    django_setup()
    package = Path(__file__).parents[2]
    rooms = sorted(file.parent.name for file in package.glob("*/cli.py"))
    return _contributed([room for room in rooms if room not in REMOTE_ROOMS])


def _contributed(rooms: list[str]) -> dict[str, Command]:
    found: dict[str, Command] = {}
    for room in rooms:
        for name, command in _commands_of(import_module(f"hemostat.{room}.cli")).items():
            if name in found:
                raise RuntimeError(f"two rooms have a command {name}")
            found[name] = command
    return found


def _commands_of(module: Any) -> dict[str, Command]:
    group = get_command(module.app)
    if module.NAME:
        return {module.NAME: group}
    if isinstance(group, TyperGroup):
        return dict(group.commands)
    return {str(group.name): group}


app = typer.Typer(
    cls=Assembled,
    name="hemostat",
    help="Self-hosted incident response: from a failing request to a verified recovery.",
    epilog="Exit codes: " + ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in Exit) + ".",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
processes.add_to(app)


def main() -> None:
    """Run the command line; errors a person can do something about are told in plain words."""
    try:
        app()
    except ConfigError as error:
        _end(str(error), Exit.USAGE)
    except RefusedError as error:
        _end(f"{error.field}: {error.message}" if error.field else error.message, Exit.FAILURE)
    except HemostatError as error:
        _end(str(error), error.code)
    except Exception as error:
        if (known := _database_trouble(error)) is None:
            raise
        _end(str(known), known.code)


def _database_trouble(error: Exception) -> HemostatError | None:
    """What is wrong with the database, when a command failed because of it."""
    if "django.db" not in sys.modules:
        return None
    from django.db import InterfaceError, OperationalError, ProgrammingError

    from hemostat.site.django import require_database

    if isinstance(error, OperationalError | InterfaceError | ProgrammingError):
        try:
            require_database()
        except HemostatError as reason:
            return reason
    return None


def _end(message: str, code: Exit) -> None:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
