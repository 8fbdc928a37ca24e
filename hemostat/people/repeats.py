"""Repeating a POST safely: with an `Idempotency-Key` it is carried out once, and the first answer is given again.

The key, the work and the answer are committed together. A repeat that arrives while the first is still at work
waits for it at the unique index; when the first fails, nothing is kept and the repeat is carried out. Answers are
kept for a day, sealed, because some of them hold a secret that is shown once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Schema

from hemostat.base import secrets
from hemostat.base.problems import FieldError, ProblemError
from hemostat.people import actions
from hemostat.people.api_auth import caller

S = TypeVar("S", bound=Schema)
HEADER = "Idempotency-Key"
MAX_KEY = 200


def once(request: HttpRequest, answer: type[S], work: Callable[[], S]) -> S:
    """Carry out `work`, or return what it answered to the same caller, key and request before."""
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    if not 1 <= len(key) <= MAX_KEY:
        detail = _("A key has 1 to %(max)s characters.") % {"max": MAX_KEY}
        raise ProblemError(400, detail, errors=[FieldError(HEADER, detail)])
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.body).digest()
    with transaction.atomic():
        kept = actions.claim_answer(caller(request), key=key, request_digest=digest)
        if bytes(kept.request_digest) != digest:
            detail = _("This key was used for another request. Use a new one for each thing to be done.")
            raise ProblemError(422, detail, errors=[FieldError(HEADER, detail)])
        if kept.body:
            return answer.model_validate(json.loads(secrets.open_(kept.body)))
        result = work()
        actions.keep_answer(kept, body=result.model_dump_json())
    return result
