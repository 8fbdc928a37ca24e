"""Incidents over the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema
from ninja.errors import HttpError

from hemostat.base import clock
from hemostat.base.texts import render
from hemostat.diagnosis.rules.answer import Cause
from hemostat.events import queries as events
from hemostat.incidents import actions, queries
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import Role
from hemostat.people.api_auth import caller, token_or_session
from hemostat.people.rules import Permission

router = Router(tags=["incidents"])


class IncidentOut(Schema):
    """An incident in a list."""

    code: str
    environment: str
    state: str
    severity: int
    headline: str
    service: str
    cause: str | None
    users_affected: int | None
    opened_at: datetime
    onset_at: datetime
    acknowledged_by: str
    mitigated_at: datetime | None
    resolved_at: datetime | None


class CauseOut(Schema):
    """One probable cause."""

    rank: int
    service: str
    operation: str
    coordinate: str
    kind: str
    error: str
    peer: str
    share: float
    confidence: str
    in_cause_set: bool
    sentence: str


class ClockOut(Schema):
    """One stage on the clock; seconds."""

    stage: str
    state: str
    took_s: float | None
    left_s: float | None


class RoleOut(Schema):
    """Who holds a role."""

    role: str
    name: str
    since: datetime


class IncidentDetailOut(IncidentOut):
    """An incident with its reasons, clocks, roles and causes."""

    severity_reason: str
    entry: str
    kpi_baseline: float | None
    kpi_current: float | None
    clocks: list[ClockOut]
    roles: list[RoleOut]
    causes: list[CauseOut]


class EventOut(Schema):
    """A line of the timeline."""

    id: str
    at: datetime
    kind: str
    actor: str
    text: str
    params: dict[str, Any]


class NoteIn(Schema):
    """A note to write."""

    text: str


class RoleIn(Schema):
    """A role to take."""

    role: Role


class Done(Schema):
    """Whether anything changed; false when it was so before."""

    changed: bool


def _out(row: queries.IncidentSummary) -> dict[str, Any]:
    return {
        "code": row.code,
        "environment": row.environment,
        "state": row.state,
        "severity": row.severity,
        "headline": render(row.headline),
        "service": row.app_id,
        "cause": render(row.cause) if row.cause else None,
        "users_affected": row.users_affected,
        "opened_at": row.opened_at,
        "onset_at": row.onset_at,
        "acknowledged_by": row.acknowledged_by,
        "mitigated_at": row.mitigated_at,
        "resolved_at": row.resolved_at,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "rank": cause.rank,
        "service": cause.app_id,
        "operation": cause.operation,
        "coordinate": cause.coordinate,
        "kind": cause.exception_class,
        "error": cause.error,
        "peer": cause.peer,
        "share": cause.share,
        "confidence": cause.confidence.value,
        "in_cause_set": cause.in_cause_set,
        "sentence": render(cause.sentence),
    }


def find(code: str) -> Incident:
    """The incident called `code`, or a 404 that says so."""
    try:
        return queries.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(f"no incident is called {code}") from error


@router.get("/incidents", response=list[IncidentOut], auth=token_or_session(Permission.READ))
def list_incidents(
    request: HttpRequest, state: str = "", before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Incidents, newest first; `state=open`: those not resolved, worst first; `before`: a number to go on from."""
    if state not in {"", "open"}:
        raise HttpError(400, f"state: wanted nothing or open, found {state!r}")
    rows = queries.open_list() if state == "open" else queries.recent(min(max(limit, 1), 200), before)
    return [_out(row) for row in rows]


@router.get("/incidents/{code}", response=IncidentDetailOut, auth=token_or_session(Permission.READ))
def get_incident(request: HttpRequest, code: str) -> dict[str, Any]:
    """One incident."""
    detail = queries.detail(find(code).pk, clock.now())
    return {
        **_out(detail.summary),
        "severity_reason": render(detail.severity_reason),
        "entry": detail.entry,
        "kpi_baseline": detail.kpi_baseline,
        "kpi_current": detail.kpi_current,
        "clocks": [
            {"stage": c.stage.value, "state": c.state.value, "took_s": c.took_s, "left_s": c.left_s}
            for c in detail.clocks
        ],
        "roles": [{"role": r.role, "name": r.name, "since": r.since} for r in detail.roles],
        "causes": [_cause(c) for c in detail.answer.causes] if detail.answer else [],
    }


@router.get("/incidents/{code}/timeline", response=list[EventOut], auth=token_or_session(Permission.READ))
def timeline(request: HttpRequest, code: str) -> list[dict[str, Any]]:
    """What happened, newest first."""
    return [
        {
            "id": e.id,
            "at": e.at,
            "kind": e.kind,
            "actor": e.actor.label,
            "text": render(e.text()),
            "params": e.params,
        }
        for e in events.about("incident", str(find(code).pk))
    ]


@router.post("/incidents/{code}/acknowledge", response=Done, auth=token_or_session(Permission.RESPOND))
def acknowledge(request: HttpRequest, code: str) -> dict[str, bool]:
    """Answer the page; the first to answer commands."""
    return {"changed": actions.acknowledge(find(code).pk, user=caller(request), via="api")}


@router.post("/incidents/{code}/notes", response={201: Done}, auth=token_or_session(Permission.RESPOND))
def add_note(request: HttpRequest, code: str, body: NoteIn) -> tuple[int, dict[str, bool]]:
    """Write a note onto the timeline."""
    try:
        actions.note(find(code).pk, user=caller(request), text=body.text)
    except ValueError as error:
        raise HttpError(422, str(error)) from error
    return 201, {"changed": True}


@router.post("/incidents/{code}/roles", response=Done, auth=token_or_session(Permission.RESPOND))
def take_role(request: HttpRequest, code: str, body: RoleIn) -> dict[str, bool]:
    """Take a role."""
    actions.take_role(find(code).pk, user=caller(request), role=body.role)
    return {"changed": True}


@router.post("/incidents/{code}/help", response=Done, auth=token_or_session(Permission.RESPOND))
def ask_help(request: HttpRequest, code: str) -> dict[str, bool]:
    """Page the next people at once."""
    actions.ask_help(find(code).pk, user=caller(request))
    return {"changed": True}


@router.post("/incidents/{code}/resolve", response=Done, auth=token_or_session(Permission.RESPOND))
def resolve(request: HttpRequest, code: str) -> dict[str, bool]:
    """Close the incident."""
    return {"changed": actions.resolve(find(code).pk, user=caller(request))}
