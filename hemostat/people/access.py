"""Who may see which page: every view declares its permission with `requires`, which also enforces it.

A test walks all routes and fails on one that declares nothing. Pages for everybody say so with
`requires(Permission.PUBLIC)`; there is no default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from hemostat.people import queries
from hemostat.people.models import User
from hemostat.people.rules import Permission

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(request: HttpRequest) -> User | None:
    """The user of this request's session, if there is one who may still sign in."""
    user = request.user
    return user if isinstance(user, User) and user.is_active else None


def current_user(request: HttpRequest) -> User:
    """The user of a request that `requires` has let through."""
    user = signed_in(request)
    if user is None:
        raise PermissionDenied
    return user


def _wanted_page(request: HttpRequest) -> str:
    """Where to go after signing in: the page, or the page around a part of it; never the target of a POST."""
    if request.headers.get("HX-Request") == "true":
        around = urlsplit(request.headers.get("HX-Current-URL", ""))
        return f"{around.path}?{around.query}" if around.query else around.path or "/"
    return request.get_full_path() if request.method in {"GET", "HEAD"} else "/"


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the sign-in page and back; to the first-run page while there is no account at all."""
    if queries.anybody():
        target = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': _wanted_page(request)})}"
    else:
        target = reverse("people:setup")
    if request.headers.get("HX-Request") == "true":
        return HttpResponseClientRedirect(target)
    return HttpResponseRedirect(target)


def requires(permission: Permission) -> Callable[[View[P]], View[P]]:
    """Declare and enforce what a view needs: who is not signed in is led to it, who may not gets a 403."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if permission is not Permission.PUBLIC:
                user = signed_in(request)
                if user is None:
                    return to_sign_in(request)
                if not user.may(permission):
                    raise PermissionDenied
            return view(request, *args, **kwargs)

        cast("Any", guarded).permission = permission
        return guarded

    return decorate
