"""Now and the list of incidents."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hemostat.base import clock
from hemostat.base.ids import short_code
from hemostat.desk.queries import now as queries
from hemostat.people.access import current_user, requires
from hemostat.people.rules import Permission

POLL_S = 5


def _now(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    moment = clock.now()
    page = queries.now_page(current_user(request), moment)
    tag = f'W/"{short_code(f"{page!r} {int(moment.timestamp()) // 30}")}"'
    return tag, {"page": page, "etag": tag, "now": moment, "poll_s": POLL_S}


@requires(Permission.READ)
@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """What is open, what needs a person, who is on call."""
    return render(request, "desk/now/page.html", _now(request)[1])


@requires(Permission.READ)
@require_safe
def now_live(request: HttpRequest) -> HttpResponse:
    """The page's content again when it changed, else 304."""
    tag, context = _now(request)
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    response = render(request, "desk/now/live.html", context)
    response["ETag"], response["Cache-Control"] = tag, "no-cache"
    return response


@requires(Permission.READ)
@require_safe
def incidents(request: HttpRequest) -> HttpResponse:
    """All incidents, newest first."""
    show = request.GET.get("show", "")
    if show not in queries.FILTERS:
        show = ""
    before = request.GET.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) <= 9 else None
    rows, more = queries.incident_list(current_user(request), show, number, clock.now())
    return render(
        request,
        "desk/incidents.html",
        {"rows": rows, "more": more, "show": show, "open": queries.open_count(), "first": number is None},
    )
