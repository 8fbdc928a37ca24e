"""What is answered when something is wrong: a page in the house style, or a problem for the API."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from hemostat.base.problems import ProblemError, problem
from hemostat.people.access import signed_in

API_PREFIX = "/api/"


def _page(request: HttpRequest, status: HTTPStatus, title: str, sentence: str) -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        return problem(ProblemError(status, sentence))
    user = signed_in(request) if hasattr(request, "user") else None
    return render(
        request,
        "site/error.html",
        {"status": status.value, "title": title, "sentence": sentence, "reader": user},
        status=status,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """400: the request itself makes no sense."""
    return _page(
        request,
        HTTPStatus.BAD_REQUEST,
        _("This request makes no sense here"),
        _("Nothing was changed. Go back and try again from the page you came from."),
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """403: signed in, but not allowed."""
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _("You may not do this"),
        _("Nothing was changed. An owner can give you a role that may."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """404: no such page."""
    return _page(
        request,
        HTTPStatus.NOT_FOUND,
        _("There is nothing at this address"),
        _("It may have been mistyped, or what was here is gone."),
    )


def too_many(request: HttpRequest) -> HttpResponse:
    """429: too many tries to sign in."""
    return _page(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        _("Too many tries"),
        _("Wait a minute, then try again. The link in a message still acknowledges without signing in."),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """403: the form was opened before signing in again, or cookies are off."""
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _("This form has grown old"),
        _("Nothing was changed. Go back, load the page again and repeat it; cookies must be allowed."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. Asks nothing of the database, the session or the request, which may be what failed."""
    sentence = _("It has been written to the log. What was saved before is kept; try again in a moment.")
    if request.path.startswith(API_PREFIX):
        return problem(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, sentence))
    context = {"status": 500, "title": _("Something failed on our side"), "sentence": sentence, "reader": None}
    return HttpResponse(render_to_string("site/error.html", context), status=HTTPStatus.INTERNAL_SERVER_ERROR)
