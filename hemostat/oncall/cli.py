"""Schedules on the command line: `hemostat schedule add NAME`, `list`."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated

import typer

from hemostat.base import clock
from hemostat.base.console import Json, NotFoundError, UsageError, emit
from hemostat.events.rules import CONSOLE
from hemostat.oncall import actions, queries, rules
from hemostat.oncall.rules import Handoff
from hemostat.people.models import User
from hemostat.people.queries import user_by_email

NAME = "schedule"
app = typer.Typer(help="On-call schedules: who takes turns.", no_args_is_help=True)


def _user(email: str) -> User:
    user = user_by_email(email)
    if user is None:
        raise NotFoundError(f"there is nobody with the address {email}", "`hemostat user list` shows who there is")
    return user


def _wall(text: str, time_zone: str) -> datetime:
    """A wall-clock time; "" means today, 09:00, in the zone."""
    if not text:
        try:
            today = clock.now().astimezone(rules.zone(time_zone)).date()
        except ValueError as error:
            raise UsageError(str(error), "write it like Europe/Berlin") from error
        return datetime.combine(today, time(9))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--anchor: {text!r} is not a date", "write it like 2026-11-16T09:00") from error
    if found.tzinfo is not None:
        raise UsageError(
            "--anchor: is wall-clock time of --tz, without a zone of its own", "write it like 2026-11-16T09:00"
        )
    return found


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called, such as “primary”.")],
    user: Annotated[list[str], typer.Option(help="Who takes turns, in this order; repeat it.", metavar="EMAIL")],
    tz: Annotated[str, typer.Option(help="The zone of its wall-clock times, such as Europe/Berlin.")] = "UTC",
    handoff: Annotated[Handoff, typer.Option(help="How often the turn passes on.")] = Handoff.WEEKLY,
    anchor: Annotated[
        str,
        typer.Option(
            help="When the first person's first turn begins: 2026-11-16T09:00, wall-clock time. "
            "Its time of day is that of every hand-off. Else today, 09:00."
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Add a rotation."""
    wall = _wall(anchor, tz)
    schedule = actions.add_schedule(
        name=name,
        time_zone=tz,
        handoff=handoff,
        anchor=date(wall.year, wall.month, wall.day),
        handoff_at=wall.time(),
        users=[_user(email) for email in user],
        actor=CONSOLE,
    )
    on_call = queries.on_call(schedule.pk, clock.now())
    text = f"{on_call} is on call for {schedule.name} ({schedule.slug}) now."
    emit({"slug": schedule.slug, "name": schedule.name, "on_call": on_call and on_call.email}, json=json, text=text)


@app.command("list")
def list_schedules(json: Json = False) -> None:
    """List schedules, who is on call, and who comes next."""
    table = [
        ("SCHEDULE", lambda s: s["slug"]),
        ("ON CALL", lambda s: s["on_call"] or "nobody"),
        ("UNTIL (UTC)", lambda s: s["until"]),
        ("THEN", lambda s: s["then"]),
        ("HAND-OFF", lambda s: f"{s['handoff']}, {s['time_zone']}"),
    ]
    rows = [
        {
            "slug": view.slug,
            "name": view.name,
            "time_zone": view.time_zone,
            "handoff": view.handoff.value,
            "people": [u.email for u in view.people],
            "on_call": view.now.user.email if view.now else None,
            "until": view.now.end if view.now else None,
            "then": view.following.user.email if view.following else None,
        }
        for view in queries.schedules(clock.now())
    ]
    emit(rows, json=json, table=table)
