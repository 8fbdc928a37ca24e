"""Contact methods on the command line: `hemostat contact add EMAIL`, `list EMAIL`."""

from __future__ import annotations

from typing import Annotated

import typer

from hemostat.base.console import Json, NotFoundError, emit
from hemostat.channels import actions, queries
from hemostat.channels.models import ContactMethod
from hemostat.events.rules import CONSOLE
from hemostat.people.models import User
from hemostat.people.queries import user_by_email

NAME = "contact"
app = typer.Typer(help="Ways to reach people.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The person's e-mail address.", metavar="EMAIL")]


def _user(email: str) -> User:
    user = user_by_email(email)
    if user is None:
        raise NotFoundError(f"there is nobody with the address {email}", "`hemostat user list` shows who there is")
    return user


@app.command()
def add(
    email: Email,
    kind: Annotated[ContactMethod.Kind, typer.Option(help="The channel.")] = ContactMethod.Kind.EMAIL,
    address: Annotated[str, typer.Option(help="E-mail address or URL; else the person's own e-mail address.")] = "",
    verified: Annotated[
        bool, typer.Option("--verified", help="It is known to work: page by it without a code that comes back.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a way to reach somebody. Without --verified they prove it on their profile page."""
    user = _user(email)
    wanted = address or (user.email if kind == ContactMethod.Kind.EMAIL else "")
    added = actions.add_method(user=user, kind=kind, address=wanted, actor=CONSOLE, verified=verified)
    text = f"{user.name} is reached by {added.method}" + ("." if added.method.verified_at else ", once it is proven.")
    if added.secret:
        text += f"\nIts signing secret, shown this once: {added.secret}"
    data = {"id": added.method.pk, "kind": kind, "label": added.method.label, "secret": added.secret or None}
    emit(data, json=json, text=text)


@app.command("list")
def list_methods(email: Email, json: Json = False) -> None:
    """List somebody's ways in their order."""
    table = [
        ("WAY", lambda m: m.kind),
        ("ADDRESS", lambda m: m.label),
        ("WORKS SINCE", lambda m: m.verified_at),
    ]
    emit(queries.methods_of(_user(email)), json=json, table=table)
