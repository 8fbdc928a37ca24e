"""`hemostat source …`: senders and their tokens."""

from __future__ import annotations

from typing import Annotated

import typer
from django.utils.translation import gettext as _

from hemostat.base.console import Json, emit
from hemostat.base.refusals import RefusedError
from hemostat.events.rules import CONSOLE
from hemostat.intake import actions, queries
from hemostat.intake.models import Protocol, Source

NAME = "source"
app = typer.Typer(help="Senders of telemetry and alerts, each with its own token.", no_args_is_help=True)

_ADDRESS = {Protocol.OTLP: "POST /v1/traces (port 4318)", Protocol.ALERTMANAGER: "POST /api/v2/alerts"}


def _show(source: Source, token: str, *, json: bool) -> None:
    where = _ADDRESS[Protocol(source.protocol)]
    sentence = (
        f"Token of {source.slug}, shown this once:\n{token}\n"
        f"It sends to {where}, with “Authorization: Bearer <token>” or as a basic password."
    )
    emit({"slug": source.slug, "protocol": source.protocol, "token": token}, json=json, text=sentence)


def _id(slug: str) -> int:
    found = queries.source(slug)
    if found is None:
        raise RefusedError(_("There is no source “%(slug)s”.") % {"slug": slug}, field="slug")
    return found.id


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call it, e.g. “prometheus”.")],
    protocol: Annotated[Protocol, typer.Option(help="What it speaks.")],
    environment: Annotated[str, typer.Option(help="Which environment it tells of.")] = "production",
    json: Json = False,
) -> None:
    """Add a source and print its token."""
    source, token = actions.add_source(name=name, protocol=protocol, environment_slug=environment, actor=CONSOLE)
    _show(source, token, json=json)


@app.command("list")
def list_(
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were revoked.")] = False,
) -> None:
    """Show the sources and what they have sent."""
    for source in queries.sources(revoked=revoked):
        seen = f"{source.last_seen_at:%Y-%m-%d %H:%M:%S}" if source.last_seen_at else "never"
        state = "revoked" if source.revoked_at else f"last seen {seen}"
        typer.echo(
            f"{source.slug}  {source.protocol}  {source.environment}  {source.token_prefix}…  "
            f"accepted {source.accepted}, refused {source.refused}, {state}"
        )
        if source.last_refusal:
            typer.echo(f"    last refusal: {source.last_refusal}")


@app.command()
def rotate(slug: Annotated[str, typer.Argument(help="Which source.")], json: Json = False) -> None:
    """Give a source a new token and print it; the old one stops working."""
    source, token = actions.rotate_source(_id(slug), actor=CONSOLE)
    _show(source, token, json=json)


@app.command()
def revoke(slug: Annotated[str, typer.Argument(help="Which source.")]) -> None:
    """Take a source's token away for good."""
    actions.revoke_source(_id(slug), actor=CONSOLE)
    typer.echo(f"{slug} is revoked.")
