"""Questions about people."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db.models import Count, Q

from hemostat.base.ids import TOKEN_PATTERN, token_digest
from hemostat.base.pagination import Page, cut
from hemostat.events.rules import Ref
from hemostat.people.models import ApiToken, User
from hemostat.people.rules import Role


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person as lists show them."""

    id: int
    email: str
    name: str
    role: Role
    is_active: bool
    time_zone: str
    language: str
    last_login: datetime | None
    has_password: bool
    tokens: int
    """Tokens not revoked."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as lists show it; its secret cannot be shown again."""

    id: int
    user_id: int
    email: str
    """Whose it is."""
    name: str
    hint: str
    """The public beginning, `hs_<id>_…`."""
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def anybody() -> bool:
    """Whether this installation has a user at all; until then every page leads to the first-run page."""
    return User.objects.exists()


def user_by_email(email: str) -> User | None:
    """The user with this address, in any case of letters."""
    return User.objects.filter(email__iexact=email.strip()).first()


def ref(user: User) -> Ref:
    """How events name `user`."""
    return Ref("user", str(user.pk), str(user))


def _person(user: User) -> PersonView:
    return PersonView(
        id=user.pk,
        email=user.email,
        name=user.name,
        role=Role(user.role),
        is_active=user.is_active,
        time_zone=user.time_zone,
        language=user.language,
        last_login=user.last_login,
        has_password=user.has_usable_password(),
        tokens=getattr(user, "open_tokens", 0),
    )


def people() -> list[PersonView]:
    """Everybody, those who may sign in first, by name."""
    rows = User.objects.annotate(open_tokens=Count("tokens", filter=Q(tokens__revoked_at__isnull=True)))
    return [_person(user) for user in rows.order_by("-is_active", "name", "id")]


def people_page(*, cursor: str | None, limit: int) -> Page[PersonView]:
    """Everybody, newest first, page by page."""
    open_tokens = Count("tokens", filter=Q(tokens__revoked_at__isnull=True))
    rows, following = cut(User.objects.annotate(open_tokens=open_tokens), cursor=cursor, limit=limit)
    return Page([_person(user) for user in rows], following)


def person(user_id: int) -> PersonView | None:
    """One person."""
    user = (
        User.objects.annotate(open_tokens=Count("tokens", filter=Q(tokens__revoked_at__isnull=True)))
        .filter(pk=user_id)
        .first()
    )
    return _person(user) if user else None


def read_token(row: ApiToken) -> TokenView:
    """`row` as lists show it."""
    return TokenView(
        id=row.pk,
        user_id=row.user_id,
        email=row.user.email,
        name=row.name,
        hint=f"hs_{row.public_id}_…",
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def tokens_of(user: User) -> list[TokenView]:
    """The tokens of `user` that still work, newest first."""
    return [
        read_token(row)
        for row in ApiToken.objects.select_related("user").filter(user=user, revoked_at__isnull=True).order_by("-id")
    ]


def tokens() -> list[TokenView]:
    """Everybody's tokens that still work, newest first."""
    rows = ApiToken.objects.select_related("user").filter(revoked_at__isnull=True, user__is_active=True)
    return [read_token(row) for row in rows.order_by("-id")]


def token(token_id: int) -> TokenView | None:
    """One token, also a revoked one."""
    row = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    return read_token(row) if row else None


def token_by_hint(public_id: str) -> TokenView | None:
    """The token whose text begins `hs_<public_id>_`."""
    row = ApiToken.objects.select_related("user").filter(public_id=public_id).first()
    return read_token(row) if row else None


def holder_of(text: str) -> ApiToken | None:
    """The working token with this text, its active user loaded; None for any other text."""
    match = TOKEN_PATTERN.fullmatch(text)
    if match is None:
        return None
    found = ApiToken.objects.select_related("user").filter(public_id=match.group(1), revoked_at__isnull=True).first()
    if found is None or not hmac.compare_digest(bytes(found.digest), token_digest(text)):
        return None
    return found if found.user.is_active else None


def has_totp(user: User) -> bool:
    """Whether signing in as `user` asks for a code besides the password."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists())


def recovery_codes_left(user: User) -> int:
    """How many recovery codes of `user` have not been used."""
    row = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(row.wrap().get_unused_codes()) if row else 0
