"""The plan library: all plans with their records, and one plan with its steps, guards and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hemostat.base.texts import Text
from hemostat.incidents import queries as incidents
from hemostat.incidents.models import Incident
from hemostat.people.access import requires
from hemostat.people.rules import Permission
from hemostat.plans import queries
from hemostat.plans.models import Plan
from hemostat.plans.rules.plan import Step
from hemostat.plans.rules.prepared import describe
from hemostat.plans.rules.states import RunState, Verb
from hemostat.plans.rules.values import fill_label


@requires(Permission.READ)
@require_safe
def plans(request: HttpRequest) -> HttpResponse:
    """All plans by verb, each run as a mark."""
    views = queries.plans()
    groups = [
        (Text(f"plans.verb_{verb.value}"), [(view, _marks(view)) for view in views if view.verb is verb])
        for verb in Verb
    ]
    shown = [(verb, rows) for verb, rows in groups if rows]
    return render(request, "plans/plans.html", {"groups": shown, "number": len(views)})


@requires(Permission.READ)
@require_safe
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """One plan; with `?incident=INC-318` its templates are filled in from that incident."""
    try:
        view = queries.plan_by_slug(slug)
    except Plan.DoesNotExist as error:
        raise Http404(f"no plan is called {slug}") from error
    incident = _incident(request.GET.get("incident", ""))
    options = queries.options_for(incident) if incident is not None else []
    option = next((o for o in options if o.plan_id == view.id), None)
    context: dict[str, Any] = {
        "plan": view,
        "steps": [_step(step, place, option) for place, step in enumerate(view.steps)],
        "option": option,
        "incident": incident,
        "marks": _marks(view),
        "runs": list(reversed(view.marks)),
    }
    return render(request, "plans/plan.html", context)


def _step(step: Step, place: int, option: queries.PlanOption | None) -> dict[str, Any]:
    filled = option.preview[place] if option is not None and option.preview else ""
    name = fill_label(step.name, option.values) if option is not None else step.name
    return {"name": name, "does": filled or describe(step), "guards": step.guards, "undo": step.undo, "step": step}


def _incident(code: str) -> Incident | None:
    if not code:
        return None
    try:
        return incidents.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(str(error)) from error


@dataclass(frozen=True)
class Mark:
    """A run in the row of marks: a full one helped, a hollow one did not, a low one came to no verdict."""

    x: int
    state: RunState


def _marks(view: queries.PlanView) -> list[Mark]:
    return [Mark(place * 9, mark.state) for place, mark in enumerate(view.marks)]
