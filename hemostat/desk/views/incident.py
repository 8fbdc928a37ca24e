"""The page of one incident, its refreshes, and what can be pressed on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from hemostat.base import clock
from hemostat.base.refusals import RefusedError
from hemostat.desk.queries import incident as queries
from hemostat.desk.rules import timeline
from hemostat.desk.rules.incident import incident_page
from hemostat.incidents import actions as incidents
from hemostat.incidents import queries as incident_queries
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import Role
from hemostat.people.access import current_user, requires
from hemostat.people.rules import Permission
from hemostat.plans import actions as plans
from hemostat.plans import queries as plan_queries
from hemostat.plans.models import Plan, Run


def _incident(code: str) -> Incident:
    try:
        return incident_queries.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(str(error)) from error


def _context(request: HttpRequest, row: Incident) -> dict[str, Any]:
    now = clock.now()
    tag = queries.stamp(row, now)
    page = incident_page(queries.facts(row, current_user(request), now))
    show = request.GET.get("show", "")
    if show not in timeline.FILTERS:
        show = ""
    return {"page": page, "show": show, "timeline": timeline.only(page.timeline, show), "etag": tag, "now": now}


@requires(Permission.READ)
@require_safe
def incident(request: HttpRequest, code: str) -> HttpResponse:
    """What, why, do, who, and the record of one incident."""
    row = _incident(code)
    if row.code != code:
        return HttpResponseRedirect(reverse("desk:incident", args=[row.code]))
    return render(request, "desk/incident/page.html", _context(request, row))


@requires(Permission.READ)
@require_safe
def incident_live(request: HttpRequest, code: str) -> HttpResponse:
    """The parts of the page that changed since the ETag the browser holds, or 304."""
    row = _incident(code)
    tag = queries.stamp(row, clock.now())
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    response = render(request, "desk/incident/refresh.html", _context(request, row))
    response["ETag"], response["Cache-Control"] = tag, "no-cache"
    return response


def _press(action: Callable[..., None]) -> Callable[..., HttpResponse]:
    """A button of the page: does one thing, tells what was refused, and leads back to the page."""

    @require_POST
    @wraps(action)
    def view(request: HttpRequest, code: str, **kwargs: Any) -> HttpResponse:
        row = _incident(code)
        try:
            action(request, row, **kwargs)
        except RefusedError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(reverse("desk:incident", args=[row.code]), status=303)

    return view


@requires(Permission.RESPOND)
@_press
def acknowledge(request: HttpRequest, row: Incident) -> None:
    """“It is mine”: paging stops."""
    if not incidents.acknowledge(row.pk, user=current_user(request), via="page"):
        messages.info(request, _("It was answered before you pressed; nothing changed."))


@requires(Permission.RESPOND)
@_press
def take_role(request: HttpRequest, row: Incident, role: str) -> None:
    """Take a role from nobody, or over from somebody."""
    if role not in set(Role):
        raise Http404(f"no role is called {role!r}")
    incidents.take_role(row.pk, user=current_user(request), role=Role(role))


@requires(Permission.RESPOND)
@_press
def note(request: HttpRequest, row: Incident) -> None:
    """Write onto the timeline."""
    text = request.POST.get("text", "").strip()
    if not text:
        raise RefusedError(_("A note needs a text; nothing was written."), field="text")
    incidents.note(row.pk, user=current_user(request), text=text)


@requires(Permission.RESPOND)
@_press
def ask_help(request: HttpRequest, row: Incident) -> None:
    """“I need help”: the next people are paged at once."""
    incidents.ask_help(row.pk, user=current_user(request))
    messages.success(request, _("The next people are being paged now. It stays yours until somebody takes it."))


@requires(Permission.RESPOND)
@_press
def resolve(request: HttpRequest, row: Incident) -> None:
    """Close the incident."""
    if not incidents.resolve(row.pk, user=current_user(request)):
        messages.info(request, _("It was closed before you pressed; nothing changed."))


@requires(Permission.RUN_PLANS)
@_press
def run(request: HttpRequest, row: Incident) -> None:
    """Run a prepared plan: one click."""
    plan = request.POST.get("plan", "")
    try:
        plans.start(int(plan), row.pk, user=current_user(request))
    except (ValueError, Plan.DoesNotExist) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(_("That plan is not there any more; nothing was started."), field="plan") from error


def _run_of(row: Incident, run_id: int) -> int:
    try:
        found = plan_queries.run(run_id)
    except Run.DoesNotExist as error:
        raise Http404(str(error)) from error
    if found.incident_id != row.pk:
        raise Http404("the run belongs to another incident")
    return run_id


@requires(Permission.RUN_PLANS)
@_press
def run_stop(request: HttpRequest, row: Incident, run_id: int) -> None:
    """Stop a run that is going on."""
    if not plans.cancel(_run_of(row, run_id), user=current_user(request)):
        messages.info(request, _("It was over before you pressed; nothing changed."))


@requires(Permission.RUN_PLANS)
@_press
def run_decide(request: HttpRequest, row: Incident, run_id: int) -> None:
    """Say whether a step of unknown outcome happened."""
    happened = request.POST.get("happened")
    if happened not in {"yes", "no"}:
        raise RefusedError(_("Say whether it happened; nothing was changed."), field="happened")
    if not plans.decide_unknown(_run_of(row, run_id), user=current_user(request), happened=happened == "yes"):
        messages.info(request, _("Somebody said it before you; nothing changed."))
