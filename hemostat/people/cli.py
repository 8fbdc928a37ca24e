"""People and tokens from the console of the machine: whoever can run these can reach the database anyway."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hemostat.base.console import Json, NotFoundError, UsageError, emit
from hemostat.base.ids import TOKEN_PATTERN
from hemostat.events.rules import CONSOLE
from hemostat.people import actions, invitations, queries
from hemostat.people.models import User
from hemostat.people.rules import Role

NAME = ""
app = typer.Typer(no_args_is_help=True)
user_app = typer.Typer(no_args_is_help=True, help="People who can sign in.")
token_app = typer.Typer(no_args_is_help=True, help="What programs show instead of a password.")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")

Email = Annotated[str, typer.Argument(help="Their e-mail address.", metavar="EMAIL")]


def _user(email: str) -> User:
    user = queries.user_by_email(email)
    if user is None:
        raise NotFoundError(f"there is nobody with the address {email}", "`hemostat user list` shows who there is")
    return user


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a password", "use --password-stdin, or --invite for a link")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt="Password again")
    return password


def _link(user: User) -> str:
    actions.note_invitation(user, actor=CONSOLE)
    return invitations.link(user)


@user_app.command("add")
def add_user(
    email: Email,
    name: Annotated[str, typer.Option(help="What people call them; else the part before the @.")] = "",
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.RESPONDER,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
    invite: Annotated[
        bool, typer.Option("--invite", help="Ask for no password; print a link with which they choose one.")
    ] = False,
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "UTC",
    json: Json = False,
) -> None:
    """Add a person; asks for a password."""
    password = None if invite else _password(from_stdin=password_stdin)
    user = actions.add_user(
        email=email,
        name=name or email.partition("@")[0],
        role=role,
        password=password,
        time_zone=time_zone,
        actor=CONSOLE,
    )
    link = _link(user) if invite else None
    sentence = f"{user.name} was added as {role}." + (f"\nTheir link to choose a password: {link}" if link else "")
    emit({"id": user.pk, "email": user.email, "role": role, "link": link}, json=json, text=sentence)


@user_app.command("invite")
def invite(email: Email, json: Json = False) -> None:
    """Print a link with which a person chooses a (new) password."""
    link = _link(_user(email))
    emit({"email": email, "link": link}, json=json, text=link)


@user_app.command("list")
def list_users(json: Json = False) -> None:
    """List people and what they may do."""
    table = [
        ("E-MAIL", lambda p: p.email),
        ("NAME", lambda p: p.name),
        ("ROLE", lambda p: p.role),
        ("SIGNS IN", lambda p: "yes" if p.is_active else "no"),
        ("LAST", lambda p: p.last_login),
    ]
    emit(queries.people(), json=json, table=table)


@user_app.command("role")
def change_role(email: Email, role: Annotated[Role, typer.Argument(help="The new role.")], json: Json = False) -> None:
    """Give a person another role; the last owner keeps theirs."""
    user = actions.change_role(_user(email).pk, role=role, actor=CONSOLE)
    emit({"email": user.email, "role": role}, json=json, text=f"{user.name} is now {role}.")


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for, such as “laptop”.")],
    user: Annotated[str, typer.Option(help="The e-mail address of whom it acts for.", metavar="EMAIL")],
    json: Json = False,
) -> None:
    """Make a token and print it, this once."""
    token, text = actions.create_token(user=_user(user), name=name, actor=CONSOLE)
    emit({"id": token.pk, "name": token.name, "user": token.user.email, "token": text}, json=json, text=text)


@token_app.command("list")
def list_tokens(
    user: Annotated[str, typer.Option(help="Only the tokens of this person.", metavar="EMAIL")] = "",
    json: Json = False,
) -> None:
    """List the tokens that still work."""
    rows = queries.tokens_of(_user(user)) if user else queries.tokens()
    table = [
        ("TOKEN", lambda t: t.hint),
        ("NAME", lambda t: t.name),
        ("OF", lambda t: t.email),
        ("LAST USED", lambda t: t.last_used_at),
    ]
    emit(rows, json=json, table=table)


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="The token, or its beginning as `token list` shows it.")],
    json: Json = False,
) -> None:
    """End a token at once."""
    whole = TOKEN_PATTERN.fullmatch(token)
    public_id = whole.group(1) if whole else token.removeprefix("hs_").rstrip("…").rstrip("_")
    found = queries.token_by_hint(public_id)
    if found is None:
        raise NotFoundError("there is no such token", "`hemostat token list` shows those that work")
    ended = actions.revoke_token(found.id, actor=CONSOLE)
    text = f"“{found.name}” of {found.email} no longer works."
    emit({"id": found.id, "revoked": True, "changed": ended}, json=json, text=text)
