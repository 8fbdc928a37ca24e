"""The REST API's frame: `/api/v1/`, its OpenAPI 3.1 document, and one shape for every error.

The operations themselves live in the rooms, each in an `api.py` with a `router`, whose paths stand under `PREFIX`
where the room gives one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, cast

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from hemostat.base.problems import CONTENT_TYPE, FieldError, ProblemError, problem
from hemostat.base.refusals import RefusedError
from hemostat.people.access import requires
from hemostat.people.rules import Permission

log = logging.getLogger(__name__)

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 problem details.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
DESCRIPTION = """Incidents, who is called, plans and what is set up.

Send `Authorization: Bearer hs_…` with a token from your profile. A POST with an `Idempotency-Key` header can be
repeated for 24 hours: it is carried out once. Lists give `next_cursor`; pass it as `cursor` for the next page.
Every error is an `application/problem+json` document that names the fields at fault."""


class HouseAPI(NinjaAPI):
    """NinjaAPI whose document also tells what errors look like."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The OpenAPI document."""
        schema = super().get_openapi_schema(**kwargs)
        schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        failure = {
            "description": "Problem",
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = failure
        return schema


api = HouseAPI(
    title="Hemostat",
    version="1",
    description=DESCRIPTION,
    docs_url=None,
    openapi_url="/openapi.json",
    docs_decorator=requires(Permission.PUBLIC),
    urls_namespace="api",
)


@api.exception_handler(ProblemError)
def _problem(request: HttpRequest, error: ProblemError) -> HttpResponse:
    return problem(error)


@api.exception_handler(RefusedError)
def _refused(request: HttpRequest, error: RefusedError) -> HttpResponse:
    errors = [FieldError(error.field, error.message)] if error.field else []
    return problem(ProblemError(409 if error.conflict else 422, error.message, errors=errors))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Names each field by its path; where it stands (body, query, path) and the argument's name do not help."""
    errors = [
        FieldError(".".join(str(part) for part in e["loc"][2 if e["loc"][0] == "body" else 1 :]), e["msg"])
        for e in error.errors
    ]
    return problem(ProblemError(422, _("Some fields are wrong. Nothing was changed."), errors=errors))


@api.exception_handler(AuthenticationError)
def _unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(
        ProblemError(
            401,
            _("Send a token that works: “Authorization: Bearer hs_…”."),
            headers={"WWW-Authenticate": 'Bearer realm="hemostat"'},
        )
    )


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(ProblemError(error.status_code, error.message))


@api.exception_handler(PermissionDenied)
def _forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problem(ProblemError(403, str(error)))


@api.exception_handler(Http404)
def _nothing_there(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(ProblemError(404))


@api.exception_handler(Exception)
def _our_fault(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(ProblemError(500, _("Something failed on our side. It has been written to the log.")))


def _collect() -> None:
    """Take over the router of every room that has one."""
    for room in apps.get_app_configs():
        if room.name.startswith("hemostat.") and room.label != "site" and module_has_submodule(room.module, "api"):
            module = import_module(f"{room.name}.api")
            api.add_router(getattr(module, "PREFIX", ""), module.router)


def _permissions() -> dict[str, dict[str, Permission | None]]:
    """What each operation needs, by path and method; None for one that declares nothing."""
    found: dict[str, dict[str, Permission | None]] = {}
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            full = "/".join(part for part in (router.prefix.strip("/"), path.lstrip("/")) if part)
            methods = found.setdefault(full.replace("{", "<").replace("}", ">"), {})
            for operation in view.operations:
                auth = next(iter(operation.auth_callbacks), None)
                methods.update(dict.fromkeys(operation.methods, getattr(auth, "permission", None)))
    return found


def _framed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A method that a path does not have is a problem too."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        response = view(request, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            return problem(ProblemError(405, headers={"Allow": response["Allow"]}))
        return response

    return answer


def urlpatterns() -> tuple[list[URLPattern | URLResolver], str, str]:
    """All routes, for `path("api/v1/", …)`; each callback carries `permissions`, by method, or `permission`."""
    _collect()
    patterns, app_name, namespace = api.urls
    needed = _permissions()
    for pattern in patterns:
        if not isinstance(pattern, URLPattern):
            continue
        if pattern.name == "api-root":
            pattern.callback = requires(Permission.PUBLIC)(cast("Any", pattern.callback))
        elif str(pattern.pattern) in needed:
            framed = _framed(pattern.callback)
            cast("Any", framed).permissions = needed[str(pattern.pattern)]
            pattern.callback = framed
    return patterns, app_name, namespace
