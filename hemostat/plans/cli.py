"""Plans on the command line: `hemostat plan add FILE`, `list`, `show`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hemostat.base.console import Json, NotFoundError, UsageError, emit
from hemostat.events.rules import CONSOLE
from hemostat.plans import actions, queries
from hemostat.plans.models import Plan
from hemostat.plans.rules import plan as rules

NAME = "plan"
app = typer.Typer(help="Plans: prepared measures that stop the bleeding.", no_args_is_help=True)

FROM_ENVIRONMENT = "HEMOSTAT_PLAN_SECRET_"


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="The plan, as TOML or JSON (by the name's ending); - for TOML from stdin.")
    ],
    secret: Annotated[
        list[str] | None,
        typer.Option(
            help="A secret that the plan uses, by NAME: read from the variable "
            f"{FROM_ENVIRONMENT}NAME, else one line from stdin. Never given as an argument, where others can read it."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a plan, or write it anew when there is one with its slug."""
    from_stdin = str(file) == "-"
    try:
        text = sys.stdin.read() if from_stdin else file.read_text()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    try:
        wanted = rules.load(text, file_name=file.name)
        given = {name: _secret(name, from_stdin=not from_stdin) for name in secret or []}
        row = actions.add_plan(wanted, CONSOLE, secrets_given=given)
    except rules.PlanError as error:
        raise UsageError(str(error), "Nothing was written.") from error
    emit({"slug": row.slug, "name": row.name}, json=json, text=f"“{row.name}” is written ({row.slug}).")


def _secret(name: str, *, from_stdin: bool) -> str:
    if value := os.environ.get(FROM_ENVIRONMENT + name):
        return value
    if from_stdin and (line := sys.stdin.readline().rstrip("\n")):
        return line
    raise UsageError(f"secret {name}: nothing was given", f"Set {FROM_ENVIRONMENT}{name}, or write it to stdin.")


@app.command("list")
def list_plans(json: Json = False) -> None:
    """All plans with their records."""
    table = [
        ("PLAN", lambda v: v.slug),
        ("VERB", lambda v: v.verb),
        ("WHAT IT DOES", lambda v: v.name),
        ("STEPS", lambda v: len(v.steps)),
        ("HELPED", lambda v: f"{v.worked[0]} of {v.worked[1]}"),
        ("LAST RUN", lambda v: v.last_run_at),
    ]
    rows = queries.plans()
    emit([_data(v) for v in rows] if json else rows, json=json, table=table)


@app.command()
def show(slug: Annotated[str, typer.Argument(help="The plan's slug.")], json: Json = False) -> None:
    """One plan with its steps."""
    try:
        view = queries.plan_by_slug(slug)
    except Plan.DoesNotExist as error:
        raise NotFoundError(f"no plan is called {slug}", "`hemostat plan list` shows all.") from error
    emit(_data(view), json=json, text="\n".join(_lines(view)))


def _lines(view: queries.PlanView) -> list[str]:
    lines = [f"{view.name} ({view.slug}, {view.verb.value})"]
    lines += [f"  {text}" for text in (view.description, view.touches) if text]
    for number, step in enumerate(view.steps, 1):
        lines.append(f"  {number}. {step.name} ({step.kind}, at most {step.timeout_s:g} s)")
        lines += [f"       only if: {guard.name}" for guard in step.guards]
    watched = view.verification
    goal = f"{watched.goal:.1%}" if watched.goal is not None else f"the baseline less {watched.tolerance:.1%}"
    lines.append(f"  Verified: success reaches {goal} within {watched.window_s:g} s")
    lines.append(f"  Undo: {view.undo or 'it cannot be undone'}")
    lines += [f"  Comes up for: {_pattern(a)}" for a in view.associations]
    lines.append(f"  Helped {view.worked[0]} of {view.worked[1]} times")
    return lines


def _pattern(association: rules.Association) -> str:
    a = association
    return a.coordinate or f"{a.app_id}@{a.operation} {a.exception_class}:{a.error}"


def _data(view: queries.PlanView) -> dict[str, Any]:
    return {
        "slug": view.slug,
        "name": view.name,
        "verb": view.verb.value,
        "description": view.description,
        "touches": view.touches,
        "undo": view.undo,
        "about_s": view.about_s,
        "enabled": view.enabled,
        "steps": rules.as_json(view.steps),
        "verification": rules.as_json(view.verification),
        "comes_up_for": rules.as_json(view.associations),
        "secrets": list(view.secrets),
        "helped": view.worked[0],
        "runs": view.worked[1],
        "last_run_at": view.last_run_at,
    }
