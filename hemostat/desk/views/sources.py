"""Sources: who may send us signals. A token is shown once, on the answer to the press that made it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from hemostat.base.refusals import RefusedError
from hemostat.catalog.models import Environment
from hemostat.desk.rules.snippets import snippets
from hemostat.intake import actions as intake
from hemostat.intake import queries as intake_queries
from hemostat.intake.models import Protocol
from hemostat.intake.queries import SourceView
from hemostat.people import queries as people
from hemostat.people.access import current_user, requires
from hemostat.people.rules import Permission


def _source(slug: str) -> SourceView:
    found = intake_queries.source(slug)
    if found is None:
        raise Http404(f"no source is called {slug!r}")
    return found


def _speaks(source: SourceView) -> str:
    return str(Protocol(source.protocol).label)


def _list(request: HttpRequest, **more: object) -> HttpResponse:
    context = {
        "rows": [(source, _speaks(source)) for source in intake_queries.sources(revoked=True)],
        "protocols": Protocol.choices,
        "environments": Environment.objects.order_by("slug"),
        "typed": {},
        "may_configure": current_user(request).may(Permission.CONFIGURE),
        **more,
    }
    return render(request, "desk/sources/list.html", context)


def _with_token(request: HttpRequest, slug: str, token: str, *, fresh: bool) -> HttpResponse:
    config, source = settings.CONFIG, _source(slug)
    context = {
        "source": source,
        "speaks": _speaks(source),
        "token": token,
        "fresh": fresh,
        "snippets": snippets(source.protocol, config.public_url, config.intake_port, token),
    }
    return render(request, "desk/sources/token.html", context)


@requires(Permission.READ)
@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    """What comes in, from whom, and what was refused."""
    return _list(request)


@requires(Permission.CONFIGURE)
@require_POST
@never_cache
def add_source(request: HttpRequest) -> HttpResponse:
    """Make a source and show its token, this once."""
    typed = {name: request.POST.get(name, "").strip() for name in ("name", "protocol", "environment")}
    try:
        source, token = intake.add_source(
            name=typed["name"],
            protocol=typed["protocol"],
            environment_slug=typed["environment"],
            actor=people.ref(current_user(request)),
        )
    except RefusedError as error:
        return _list(request, typed=typed, problem=error)
    return _with_token(request, source.slug, token, fresh=True)


@requires(Permission.READ)
@require_safe
def source(request: HttpRequest, slug: str) -> HttpResponse:
    """One source: how to connect it, what it last sent wrong, and its token's life."""
    found = _source(slug)
    config = settings.CONFIG
    shown = snippets(found.protocol, config.public_url, config.intake_port)
    may = current_user(request).may(Permission.CONFIGURE)
    context = {"source": found, "speaks": _speaks(found), "snippets": shown, "may_configure": may}
    return render(request, "desk/sources/source.html", context)


@requires(Permission.READ)
@require_safe
def source_heard(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether a source has spoken yet: what a waiting page asks."""
    return render(request, "desk/sources/heard.html", {"source": _source(slug)})


@requires(Permission.CONFIGURE)
@require_POST
@never_cache
def rotate_source(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a source a new token and show it, this once; the old one stops."""
    try:
        changed, token = intake.rotate_source(_source(slug).id, actor=people.ref(current_user(request)))
    except RefusedError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("desk:source", args=[slug]), status=303)
    return _with_token(request, changed.slug, token, fresh=False)


@requires(Permission.CONFIGURE)
@require_POST
def revoke_source(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop a source for good; what it sent is kept."""
    found = _source(slug)
    try:
        intake.revoke_source(found.id, actor=people.ref(current_user(request)))
    except RefusedError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("desk:source", args=[slug]), status=303)
    messages.success(request, _("“%(name)s” is stopped. What it sent is kept.") % {"name": found.name})
    return HttpResponseRedirect(reverse("desk:sources"), status=303)
