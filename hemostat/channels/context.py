"""What every page shows of this room: the notices that the reader has not seen."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from hemostat.channels import queries
from hemostat.people.models import User


def notices(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `notices`, read once and only by pages that show the shell."""
    user = getattr(request, "user", None)
    known: list[list[queries.NoticeView]] = []

    def lazily() -> list[queries.NoticeView]:
        if not known:
            known.append(queries.unseen(user) if isinstance(user, User) else [])
        return known[0]

    return {"notices": lazily}
