"""Questions about environments and services."""

from __future__ import annotations

from dataclasses import dataclass

from hemostat.base.pagination import Page, cut
from hemostat.catalog.models import Environment, Service
from hemostat.catalog.rules import Tier


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An environment; only a paging one opens incidents."""

    id: int
    slug: str
    paging: bool


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service as the other rooms see it."""

    id: int
    app_id: str
    slug: str
    label: str
    tier: Tier
    description: str
    purpose: str
    """What users cannot do when it fails, e.g. “pay”; may be empty."""
    policy_slug: str
    """The escalation policy; empty: the default one."""
    discovered: bool
    """Made by itself because telemetry named it, and not confirmed by hand since."""


def read_service(row: Service) -> ServiceView:
    """`row` as the other rooms see it."""
    return ServiceView(
        id=row.pk,
        app_id=row.app_id,
        slug=row.slug,
        label=row.label or row.app_id,
        tier=Tier(row.tier),
        description=row.description,
        purpose=row.purpose,
        policy_slug=row.policy_slug,
        discovered=row.discovered,
    )


def service(app_id: str) -> ServiceView | None:
    """The service with this AppId."""
    row = Service.objects.filter(app_id=app_id).first()
    return read_service(row) if row else None


def services() -> list[ServiceView]:
    """All services by what people call them."""
    return [read_service(row) for row in Service.objects.order_by("label", "app_id")]


def services_page(*, cursor: str | None, limit: int) -> Page[ServiceView]:
    """All services, newest first, page by page."""
    rows, following = cut(Service.objects.all(), cursor=cursor, limit=limit)
    return Page([read_service(row) for row in rows], following)


def labels(app_ids: set[str]) -> dict[str, str]:
    """What people call each of `app_ids`; one that is not known keeps its AppId."""
    known = dict(Service.objects.filter(app_id__in=app_ids).values_list("app_id", "label"))
    return {app_id: known.get(app_id) or app_id for app_id in app_ids}


def tier(app_id: str) -> Tier:
    """How much hangs on a service; one that is not known is normal."""
    found = Service.objects.filter(app_id=app_id).values_list("tier", flat=True).first()
    return Tier(found) if found else Tier.NORMAL


def environment(slug: str) -> EnvironmentView | None:
    """The environment with this slug."""
    row = Environment.objects.filter(slug=slug).first()
    return EnvironmentView(row.pk, row.slug, row.paging) if row else None


def environments() -> list[EnvironmentView]:
    """All environments, the paging ones first."""
    return [EnvironmentView(e.pk, e.slug, e.paging) for e in Environment.objects.order_by("-paging", "slug")]
