"""People over the REST API: who calls, who there is, and their tokens."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from hemostat.base.pagination import DEFAULT_LIMIT
from hemostat.base.problems import ProblemError
from hemostat.people import actions, queries
from hemostat.people.api_auth import caller, token_or_session
from hemostat.people.models import User
from hemostat.people.repeats import once
from hemostat.people.rules import ROLE_PERMISSIONS, Permission, Role

router = Router(tags=["people"])


class PersonOut(Schema):
    """A person."""

    id: int
    email: str
    name: str
    role: Role
    is_active: bool
    time_zone: str
    language: str
    last_login: datetime | None


class MeOut(PersonOut):
    """The person who calls, and what they may do."""

    permissions: list[Permission]


class PeopleOut(Schema):
    """A page of people."""

    items: list[PersonOut]
    next_cursor: str | None


class NewPerson(Schema):
    """A person to add; without a password they need a link to choose one."""

    email: str = Field(max_length=254)
    name: str = Field(max_length=120)
    role: Role = Role.RESPONDER
    password: str | None = Field(default=None, max_length=4096)


class TokenOut(Schema):
    """A token; its secret cannot be shown again."""

    id: int
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokensOut(Schema):
    """The caller's tokens that still work."""

    items: list[TokenOut]


class NewToken(Schema):
    """A token to make for the caller."""

    name: str = Field(min_length=1, max_length=120)


class MadeToken(TokenOut):
    """A token just made; `token` is shown this once."""

    token: str


def _person(user: User) -> PersonOut:
    return PersonOut.from_orm(user)


@router.get("/me", response=MeOut, auth=token_or_session(Permission.SIGNED_IN))
def me(request: HttpRequest) -> MeOut:
    """Who calls, and what they may do."""
    user = caller(request)
    permissions = sorted(ROLE_PERMISSIONS[Role(user.role)])
    return MeOut(**_person(user).model_dump(), permissions=permissions)


@router.get("/users", response=PeopleOut, auth=token_or_session(Permission.READ))
def list_users(request: HttpRequest, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> PeopleOut:
    """Everybody, newest first."""
    page = queries.people_page(cursor=cursor, limit=limit)
    return PeopleOut(items=[PersonOut.from_orm(p) for p in page.items], next_cursor=page.next_cursor)


@router.post("/users", response={201: PersonOut}, auth=token_or_session(Permission.MANAGE_PEOPLE))
def add_user(request: HttpRequest, data: NewPerson) -> Status[PersonOut]:
    """Add a person."""
    actor = queries.ref(caller(request))
    return Status(201, once(request, PersonOut, lambda: _person(actions.add_user(**data.model_dump(), actor=actor))))


@router.get("/tokens", response=TokensOut, auth=token_or_session(Permission.SIGNED_IN))
def list_tokens(request: HttpRequest) -> TokensOut:
    """The caller's tokens that still work."""
    return TokensOut(items=[TokenOut.from_orm(t) for t in queries.tokens_of(caller(request))])


@router.post("/tokens", response={201: MadeToken}, auth=token_or_session(Permission.SIGNED_IN))
def create_token(request: HttpRequest, data: NewToken) -> Status[MadeToken]:
    """Make a token for the caller; the answer is the only place where its text is shown."""
    user = caller(request)

    def make() -> MadeToken:
        row, text = actions.create_token(user=user, name=data.name, actor=queries.ref(user))
        return MadeToken(**TokenOut.from_orm(queries.read_token(row)).model_dump(), token=text)

    return Status(201, once(request, MadeToken, make))


@router.delete("/tokens/{int:token_id}", response={204: None}, auth=token_or_session(Permission.SIGNED_IN))
def revoke_token(request: HttpRequest, token_id: int) -> Status[None]:
    """End a token at once; one's own, or anybody's with `manage_people`. Ending it again changes nothing."""
    user = caller(request)
    token = queries.token(token_id)
    if token is None or not (token.user_id == user.pk or user.may(Permission.MANAGE_PEOPLE)):
        raise ProblemError(404)
    actions.revoke_token(token_id, actor=queries.ref(user))
    return Status(204, None)
