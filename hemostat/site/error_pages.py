"""What is answered when something is wrong: a page in the house style (`base/templates`), a problem for the API."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views import csrf, defaults

from hemostat.base.problems import ProblemError, problem

API_PREFIX = "/api/"


def _for_api(request: HttpRequest, status: HTTPStatus, detail: str = "") -> HttpResponse | None:
    return problem(ProblemError(status, detail)) if request.path.startswith(API_PREFIX) else None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request itself cannot be read."""
    return _for_api(request, HTTPStatus.BAD_REQUEST) or defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but not allowed."""
    return _for_api(request, HTTPStatus.FORBIDDEN) or defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was opened before signing in again, or cookies are off."""
    return _for_api(request, HTTPStatus.FORBIDDEN, reason) or csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: nothing at this address."""
    return _for_api(request, HTTPStatus.NOT_FOUND) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault; asks nothing of the database or the session, which may be what failed."""
    return _for_api(request, HTTPStatus.INTERNAL_SERVER_ERROR) or defaults.server_error(request)
