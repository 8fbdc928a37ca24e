"""The `hemostat` command: the processes, and whatever the rooms contribute.

A room contributes by a module `cli.py` with `app`, a `typer.Typer()`, and `NAME`: the word in front of its
commands, or `""` to have them (and its groups) at the top. Rooms' modules are imported, with Django, only when one of
their commands or the whole help is asked for: `hemostat intake` must start without Django.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer._click import Command, Context
from typer.core import TyperGroup
from typer.main import get_command

from hemostat.site.cli import processes
from hemostat.site.config import ConfigError
from hemostat.site.errors import Exit, HemostatError


class Assembled(TyperGroup):
    """The commands of this room, and behind them those of all the others."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*super().list_commands(ctx), *sorted(rooms_commands())]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        return super().get_command(ctx, cmd_name) or rooms_commands().get(cmd_name)


@cache
def rooms_commands() -> dict[str, Command]:
    """What the rooms contribute, by name; two that claim one name are an error."""
    from hemostat.site.django import django_setup

    django_setup()
    found: dict[str, Command] = {}
    for file in sorted(Path(__file__).parents[2].glob("*/cli.py")):
        module = import_module(f"hemostat.{file.parent.name}.cli")
        for name, command in _commands_of(module).items():
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
        sys.stderr.write(f"{error}\n")
        sys.exit(Exit.USAGE)
    except HemostatError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code)
