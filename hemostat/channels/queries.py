"""Questions about contact methods and what was delivered in-app."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from hemostat.base import secrets
from hemostat.channels.base import Address, channel
from hemostat.channels.models import ContactMethod, Notice
from hemostat.people.models import User


@dataclass(frozen=True)
class WayView:
    """A contact method that is proven to work."""

    id: int
    kind: str
    label: str
    destination: str
    wakes: bool


@dataclass(frozen=True)
class MethodView:
    """A contact method as its owner sees it; its secrets are not shown again."""

    id: int
    kind: str
    kind_label: str
    label: str
    verified_at: datetime | None
    """Since when it is proven to work."""
    code_sent_at: datetime | None
    needs_code: bool


@dataclass(frozen=True)
class NoticeView:
    """Something the in-app channel delivered and nobody has seen yet."""

    id: int
    text: str
    lead: str
    url: str
    at: datetime
    severity: int | None
    seen_url: str


def working_ways(user_ids: Iterable[int]) -> dict[int, list[WayView]]:
    """The proven ways to reach people, each in the order its owner wants; one query."""
    ways: dict[int, list[WayView]] = defaultdict(list)
    rows = ContactMethod.objects.filter(user_id__in=set(user_ids), verified_at__isnull=False)
    for row in rows.order_by("position", "pk"):
        ways[row.user_id].append(WayView(row.pk, row.kind, row.label, row.destination, channel(row.kind).wakes))
    return dict(ways)


def methods_of(user: User) -> list[MethodView]:
    """Every contact method of a person, in their order."""
    return [
        MethodView(
            id=row.pk,
            kind=row.kind,
            kind_label=str(row.get_kind_display()),
            label=row.label,
            verified_at=row.verified_at,
            code_sent_at=row.code_sent_at,
            needs_code=row.verified_at is None and bool(row.code),
        )
        for row in ContactMethod.objects.filter(user=user)
    ]


def address(method_id: int) -> Address | None:
    """Where a contact method leads, opened; None when it was removed. Raises base.secrets.CannotOpenError."""
    row = ContactMethod.objects.filter(pk=method_id).first()
    if row is None:
        return None
    return Address(
        user_id=row.user_id,
        address=secrets.open_(row.address) if row.address else "",
        secret=secrets.open_(row.secret) if row.secret else "",
    )


def unseen(user: User, limit: int = 5) -> list[NoticeView]:
    """What was delivered in-app and not seen yet, newest first."""
    rows = Notice.objects.filter(user=user, seen_at__isnull=True).order_by("-created_at")[:limit]
    return [
        NoticeView(
            row.pk, row.title, row.lead, row.url, row.created_at, row.severity, reverse("channels:seen", args=[row.pk])
        )
        for row in rows
    ]


def without_way() -> list[User]:
    """Active people whom nothing is proven to reach."""
    reached = ContactMethod.objects.filter(verified_at__isnull=False).values("user_id")
    return list(User.objects.filter(is_active=True).exclude(pk__in=reached).order_by("name"))
