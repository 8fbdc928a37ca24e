"""Escalation policies on the command line: `hemostat policy add NAME`, `list`."""

from __future__ import annotations

from typing import Annotated

import typer

from hemostat.base.console import Json, NotFoundError, UsageError, emit
from hemostat.events.rules import CONSOLE
from hemostat.oncall.models import Schedule
from hemostat.oncall.queries import by_slug
from hemostat.paging import queries
from hemostat.paging.actions import NewTier, add_policy
from hemostat.paging.rules.policy import TierStamp
from hemostat.people.models import User
from hemostat.people.queries import user_by_email

NAME = "policy"
app = typer.Typer(help="Escalation policies: who is paged, in which order.", no_args_is_help=True)
TIER = "schedule:primary,user:lead@example.org,300"


def _user(email: str) -> User:
    user = user_by_email(email)
    if user is None:
        raise NotFoundError(f"there is nobody with the address {email}", "`hemostat user list` shows who there is")
    return user


def _target(text: str) -> User | Schedule:
    kind, _, name = text.partition(":")
    if kind == "user" and name:
        return _user(name)
    if kind == "schedule" and name:
        schedule = by_slug(name)
        if schedule is None:
            raise NotFoundError(f"there is no schedule {name}", "`hemostat schedule list` shows those there are")
        return schedule
    raise UsageError(f"--tier: {text!r} is neither schedule:NAME nor user:EMAIL", f"write it like {TIER}")


def _tier(text: str) -> NewTier:
    """`schedule:primary,user:lead@example.org,300`: whom it pages, and the seconds to the next tier (else 300)."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    seconds = [part for part in parts if part.isdecimal()]
    if len(seconds) > 1 or (seconds and parts[-1] != seconds[0]):
        raise UsageError(f"--tier: {text!r}: one number of seconds, at the end", f"write it like {TIER}")
    targets = [_target(part) for part in parts if not part.isdecimal()]
    return NewTier(targets, int(seconds[0]) if seconds else 300)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    tier: Annotated[list[str], typer.Option(help=f"A tier, such as {TIER}; repeat it for the next.")],
    fallback: Annotated[str, typer.Option(help="Who is paged when nobody else can be.", metavar="EMAIL")],
    repeat: Annotated[int, typer.Option(help="Additional passes over all tiers.")] = 1,
    default: Annotated[bool, typer.Option("--default", help="For services that name no policy.")] = False,
    json: Json = False,
) -> None:
    """Add an escalation policy. One that could end in silence is refused."""
    policy = add_policy(
        name=name,
        tiers=[_tier(text) for text in tier],
        fallback=_user(fallback),
        repeat=repeat,
        default=default,
        actor=CONSOLE,
    )
    is_default = ", the default" if policy.is_default else ""
    data = {"slug": policy.slug, "name": policy.name, "default": policy.is_default}
    emit(data, json=json, text=f"“{policy.name}” is added ({policy.slug}{is_default}).")


def _shown(tiers: tuple[TierStamp, ...]) -> str:
    return " → ".join(f"{' + '.join(t.label for t in tier.targets) or 'nobody'} ({tier.timeout_s} s)" for tier in tiers)


@app.command("list")
def list_policies(json: Json = False) -> None:
    """List escalation policies."""
    table = [
        ("POLICY", lambda p: p.stamp.slug),
        ("DEFAULT", lambda p: "yes" if p.is_default else ""),
        ("TIERS", lambda p: _shown(p.stamp.tiers)),
        ("AGAIN", lambda p: p.stamp.repeat),
        ("FALLBACK", lambda p: p.stamp.fallback.label),
    ]
    emit(queries.policies(), json=json, table=table)
