"""Set-up: from nothing to "you can be paged". Each step is tried for real, not ticked off."""

from __future__ import annotations

from datetime import time

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from hemostat.base import clock
from hemostat.base.refusals import RefusedError
from hemostat.desk.queries import setup as queries
from hemostat.oncall import actions as oncall
from hemostat.oncall.rules import Handoff
from hemostat.paging import actions as policies
from hemostat.people import queries as people
from hemostat.people.access import current_user, requires
from hemostat.people.models import User
from hemostat.people.rules import Permission


@requires(Permission.READ)
@require_safe
def set_up(request: HttpRequest) -> HttpResponse:
    """Every step with what was found when the page was asked for."""
    user, now = current_user(request), clock.now()
    found = queries.set_up(user, now)
    context = {
        "setup": found,
        "checks": queries.checks(found, now),
        "may_configure": user.may(Permission.CONFIGURE),
        "now": now,
    }
    return render(request, "desk/set_up.html", context)


def _back(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(reverse("desk:set_up"), status=303)


@requires(Permission.CONFIGURE)
@require_POST
def start_alone(request: HttpRequest) -> HttpResponse:
    """The smallest set-up that can page: a schedule with the reader on it, and a policy that pages it."""
    try:
        with transaction.atomic():
            _first_schedule_and_policy(current_user(request))
    except RefusedError as error:
        messages.error(request, error.message)
        return _back(request)
    messages.success(request, _("You are on call, day and night. Add others as soon as you can."))
    return _back(request)


def _first_schedule_and_policy(user: User) -> None:
    actor = people.ref(user)
    today = timezone.localtime(clock.now()).date()
    schedule = oncall.add_schedule(
        name=_("Primary"),
        time_zone=user.time_zone,
        handoff=Handoff.WEEKLY,
        anchor=today,
        handoff_at=time(9),
        users=[user],
        actor=actor,
    )
    policies.add_policy(
        name=_("Default"),
        tiers=[policies.NewTier(targets=[schedule], timeout_s=300)],
        fallback=user,
        repeat=3,
        default=True,
        actor=actor,
    )
