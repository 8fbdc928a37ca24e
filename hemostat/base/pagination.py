"""Pages of long lists by cursor, so that rows added meanwhile are neither lost nor shown twice."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from hemostat.base.refusals import RefusedError

T = TypeVar("T")
M = TypeVar("M", bound=Model)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the items, and the cursor of the next page; None: there are no more."""

    items: Sequence[T]
    next_cursor: str | None


def _encode(key: object) -> str:
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()


def cut(
    rows: QuerySet[M], *, cursor: str | None, limit: int = DEFAULT_LIMIT, newest_first: bool = True
) -> tuple[list[M], str | None]:
    """The page of `rows` after `cursor`, ordered by primary key, and the next cursor.

    Raises `RefusedError` for a cursor that is not one of ours, or a limit that is not 1 to `MAX_LIMIT`.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise RefusedError(_("A page has 1 to %(max)s items.") % {"max": MAX_LIMIT}, field="limit")
    if cursor:
        try:
            key = rows.model._meta.pk.to_python(_decode(cursor))
        except (ValueError, binascii.Error, ValidationError) as error:
            raise RefusedError(_("This cursor was not given out by this list."), field="cursor") from error
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": key})
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    more = len(found) > limit
    return found[:limit], _encode(found[limit - 1].pk) if more else None
