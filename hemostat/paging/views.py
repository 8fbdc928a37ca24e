"""The page behind the link of a message, and the record of who was paged.

The first has one button and needs no session; reading it changes nothing, for mail scanners prefetch.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from hemostat.base import clock, texts
from hemostat.base.csp import HEADER
from hemostat.base.texts import Text
from hemostat.events import queries as events
from hemostat.incidents import queries as incidents
from hemostat.incidents.models import Incident
from hemostat.paging import actions, links, messages, queries
from hemostat.paging.brief import brief
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.people.access import requires
from hemostat.people.rules import Permission


@cache
def _style() -> tuple[str, str]:
    """The pages' own style and the content security policy that allows just that."""
    css = render_to_string("paging/ack.css").strip()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return css, policy


@csrf_exempt  # the token in the address is what authorises, not a cookie: there is no session to ride on
@requires(Permission.PUBLIC)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ack(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link is about, with one button; the button's POST acknowledges as the link's receiver."""
    if request.method == "POST":
        answer = actions.acknowledge_by_link(token)
        if answer not in {actions.Answer.UNKNOWN, actions.Answer.EXPIRED}:
            return _private(HttpResponseRedirect(request.path, status=303))
    return _private(_page(request, token))


def _private(response: HttpResponse) -> HttpResponse:
    """The address holds a secret: it is passed on to nobody."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers[HEADER] = _style()[1]
    return response


def _page(request: HttpRequest, token: str) -> HttpResponse:
    link = queries.ack_link(token, clock.now())
    style = {"css": mark_safe(_style()[0])}  # noqa: S308 - a file of ours
    if link is None:
        return render(request, "paging/ack_unknown.html", style, status=404)
    if link.expired:
        return render(request, "paging/ack_unknown.html", {**style, "expired": True}, status=410)
    with override(link.user.language), timezone.override(messages.zone_of(link.user)):
        template, context = _content(link)
        return render(request, template, {**style, **context})


def _content(link: queries.LinkView) -> tuple[str, dict[str, Any]]:
    about = brief(link.incident.pk)
    holder = link.incident.acknowledged_by
    at = link.incident.resolved_at or link.incident.acknowledged_at
    words = messages.words(about)
    context = {
        "brief": about,
        "headline": words.headline,
        "lead": words.lead,
        "why": words.why,
        "cause": words.cause,
        "since": _time(about.since),
        "at": _time(at) if at else "",
        "name": str(link.user),
        "holder": str(holder or ""),
        "over": link.incident.resolved_at is not None,
        "for_help": link.for_help,
        "incident_url": links.incident_url(about.code),
    }
    if link.rings and not (link.for_help and holder == link.user):
        return "paging/ack.html", context
    mine = holder == link.user and not context["over"]
    return ("paging/ack_done.html" if mine else "paging/ack_taken.html"), context


def _time(at: Any) -> str:
    return timezone.localtime(at).strftime("%H:%M:%S")


@requires(Permission.READ)
@require_safe
def record(request: HttpRequest, code: str) -> HttpResponse:
    """Who was paged about an incident when, by what, with which answer, and why."""
    try:
        incident = incidents.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(f"no incident is called {code}") from error
    page = queries.page_of(incident.pk)
    told = [e for e in events.about("incident", str(incident.pk), newest_first=False) if e.kind.startswith("paging.")]
    context = {
        "code": incident.code,
        "incident_url": links.incident_url(incident.code),
        "answer": _answer(page),
        "deliveries": [_row(view) for view in page.deliveries if not view.reserve] if page else [],
        "decisions": told,
        "policy": page.policy if page else None,
    }
    return render(request, "paging/record.html", context)


def _answer(page: queries.PageView | None) -> str:
    if page is None:
        return _("Paging has not begun.")
    match page.state:
        case PageState.RINGING if page.due_at is not None:
            return _("It rings: tier %(tier)s of %(tiers)s.") % {"tier": page.tier + 1, "tiers": page.tiers}
        case PageState.EXHAUSTED:
            return _("Nobody has answered, and nobody else will be paged. Call somebody.")
    return texts.render(Text("paging.rests", {"reason": Text(f"paging.reason_{page.reason}").as_json()}))


def _row(view: queries.DeliveryView) -> dict[str, Any]:
    tones = {
        DeliveryState.PENDING: ("warn", _("on its way") if view.tries == 0 else _("tried again")),
        DeliveryState.ACCEPTED: ("ok", _("taken")),
        DeliveryState.FAILED: ("bad", _("failed")),
        DeliveryState.CANCELLED: ("off", _("called off")),
    }
    tone, words = tones[view.state]
    return {"view": view, "tone": tone, "words": words}
