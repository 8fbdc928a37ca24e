"""Errors of the REST API as problem details (RFC 9457): one shape, whatever went wrong.

`type` stays `about:blank`, so `title` is the phrase of the status; `detail` is the sentence for people;
`errors` names the fields at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the request; `field` is its path, e.g. `steps.0.url`."""

    field: str
    detail: str


class ProblemError(Exception):
    """Raised by an API operation to answer with a problem."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem(error: ProblemError) -> HttpResponse:
    """The answer for `error`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
    }
    if error.detail:
        body["detail"] = error.detail
    if error.errors:
        body["errors"] = [{"field": e.field, "detail": e.detail} for e in error.errors]
    return HttpResponse(orjson.dumps(body), status=error.status, content_type=CONTENT_TYPE, headers=error.headers)
