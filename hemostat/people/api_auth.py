"""Who calls the REST API: a program with a token, or a page of ours with its session.

Every operation names what it needs: `auth=token_or_session(Permission.READ)`.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from hemostat.base.problems import ProblemError
from hemostat.people import actions, queries
from hemostat.people.access import signed_in
from hemostat.people.models import User
from hemostat.people.rules import Permission

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenOrSession(HttpBearer):
    """Lets a caller in by `Authorization: Bearer hs_…`, or by the session (writing needs the CSRF token).

    A request that shows a token is judged by it alone: a revoked one is refused even beside a good session.
    """

    def __init__(self, permission: Permission) -> None:
        super().__init__()
        self.permission = permission

    def __call__(self, request: HttpRequest) -> User | None:
        user = self._by_token(request) if "Authorization" in request.headers else self._by_session(request)
        if user is None:
            return None
        if not user.may(self.permission):
            raise ProblemError(
                403, _("Your role does not allow this; it needs “%(p)s”.") % {"p": self.permission.value}
            )
        request.user = user
        return user

    def _by_token(self, request: HttpRequest) -> User | None:
        scheme, _space, text = request.headers["Authorization"].partition(" ")
        return self.authenticate(request, text.strip()) if scheme.lower() == "bearer" else None

    def authenticate(self, request: HttpRequest, token: str) -> User | None:  # noqa: ARG002 - ninja's signature
        """The user whose working token this is."""
        found = queries.holder_of(token)
        if found is None:
            return None
        actions.note_token_use(found)
        return found.user

    def _by_session(self, request: HttpRequest) -> User | None:
        user = signed_in(request)
        if user is not None and request.method not in SAFE_METHODS and check_csrf(request) is not None:
            raise ProblemError(
                403, _("The CSRF token is missing or wrong; send it as X-CSRFToken, or use an API token.")
            )
        return user


def token_or_session(permission: Permission) -> TokenOrSession:
    """The `auth=` of an API operation that needs `permission`."""
    return TokenOrSession(permission)


def caller(request: HttpRequest) -> User:
    """The user who calls an operation that `token_or_session` has let through."""
    if not isinstance(request.user, User):
        raise ProblemError(401)
    return request.user
