"""Services over the REST API."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from hemostat.base.pagination import DEFAULT_LIMIT
from hemostat.catalog import actions, queries
from hemostat.catalog.rules import Tier
from hemostat.people.api_auth import caller, token_or_session
from hemostat.people.queries import ref
from hemostat.people.repeats import once
from hemostat.people.rules import Permission

router = Router(tags=["catalog"])


class ServiceOut(Schema):
    """A service by its AppId."""

    id: int
    app_id: str
    slug: str
    label: str
    tier: Tier
    description: str
    purpose: str
    policy_slug: str
    discovered: bool


class ServicesOut(Schema):
    """A page of services."""

    items: list[ServiceOut]
    next_cursor: str | None


class NewService(Schema):
    """A service to add, or to take over from telemetry."""

    app_id: str = Field(max_length=200, description="`service.namespace/service.name`")
    label: str = Field(default="", max_length=120, description="what people call it")
    tier: Tier = Tier.NORMAL
    purpose: str = Field(default="", max_length=120, description="what users cannot do when it fails")
    policy_slug: str = Field(default="", max_length=64, description="escalation policy; empty: the default")


@router.get("/services", response=ServicesOut, auth=token_or_session(Permission.READ))
def list_services(request: HttpRequest, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> ServicesOut:
    """All services, newest first."""
    page = queries.services_page(cursor=cursor, limit=limit)
    return ServicesOut(items=[ServiceOut.from_orm(s) for s in page.items], next_cursor=page.next_cursor)


@router.post("/services", response={201: ServiceOut}, auth=token_or_session(Permission.CONFIGURE))
def add_service(request: HttpRequest, data: NewService) -> Status[ServiceOut]:
    """Add a service."""
    actor = ref(caller(request))
    return Status(
        201,
        once(
            request,
            ServiceOut,
            lambda: ServiceOut.from_orm(actions.add_service(**data.model_dump(), actor=actor)),
        ),
    )
