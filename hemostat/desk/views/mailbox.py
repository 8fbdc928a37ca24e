"""The demo's mailbox: what its mail server received, so that nobody needs a mail account to try Hemostat.

The pages exist only where HEMOSTAT_DEMO_MAILBOX names the folder. HTML of a message is shown in a sandbox that runs
nothing and loads nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from hemostat.base.csp import HEADER
from hemostat.desk import mailbox
from hemostat.people.access import requires
from hemostat.people.rules import Permission

BODY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)


def folder() -> Path:
    """Where the demo keeps its mail; Http404 where there is no demo."""
    where = os.environ.get("HEMOSTAT_DEMO_MAILBOX", "")
    if not where:
        raise Http404("this installation is no demo: its mail goes to real people")
    return Path(where)


def _mail(name: str) -> mailbox.Mail:
    found = mailbox.one(folder(), name)
    if found is None:
        raise Http404("no such message; the demo keeps the newest 300")
    return found


@requires(Permission.READ)
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """What arrived, newest first."""
    return render(request, "desk/mailbox/inbox.html", {"mails": mailbox.newest(folder())})


@requires(Permission.READ)
@require_safe
def message(request: HttpRequest, name: str) -> HttpResponse:
    """One message."""
    return render(request, "desk/mailbox/message.html", {"mail": _mail(name)})


@requires(Permission.READ)
@require_safe
@xframe_options_sameorigin
def body(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML of a message, to be shown in a sandboxed frame; links open outside of it."""
    html = _mail(name).html.replace("<head>", '<head><base target="_top">', 1)
    return HttpResponse(html, headers={HEADER: BODY_POLICY})
