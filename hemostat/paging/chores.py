"""What the engine process does for paging again and again."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from hemostat.base import clock
from hemostat.base.texts import Text
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.paging import actions
from hemostat.paging.engine import Engine
from hemostat.paging.models import Page
from hemostat.paging.provider import ChannelProvider
from hemostat.paging.rules.audit import OpenIncident, audit_open
from hemostat.paging.rules.states import PageState
from hemostat.paging.sender import Sender
from hemostat.paging.store import PostgresStore


@cache
def engine() -> Engine:
    """The engine of this process."""
    return Engine(PostgresStore(), ChannelProvider(), clock.now)


@cache
def _sender() -> Sender:
    return Sender(engine())


def step_pages(_now: datetime) -> int:
    """Take the pages that are due one step further."""
    return engine().run_pages()


def send_deliveries(_now: datetime) -> int:
    """Hand the deliveries that are due to the workers; they are sent beside this."""
    return _sender().run()


def work(now: datetime) -> int:
    """Both, for whoever runs one loop only."""
    return step_pages(now) + send_deliveries(now)


def audit(now: datetime) -> bool:
    """Check, without asking the engine, that no open incident has been forgotten; returns whether all is well.

    Each has a page that will be looked at, or a recorded reason why nothing more is due. What was found is kept for
    the pages, `doctor` and the dead man's switch.
    """
    rows = Incident.objects.filter(resolved_at__isnull=True).order_by("pk")
    pages = {page.incident_id: page for page in Page.objects.filter(incident__resolved_at__isnull=True)}
    findings: list[Text] = []
    for row in rows:
        page = pages.get(row.pk)
        finding = audit_open(
            OpenIncident(
                code=row.code,
                opened_at=row.opened_at,
                acknowledged=row.state != State.OPEN,
                page=PageState(page.state) if page else None,
                reason=page.reason if page else "",
                due_at=page.due_at if page else None,
                error=page.last_error if page else "",
            ),
            now,
        )
        if finding is not None:
            findings.append(finding)
    return actions.keep_audit(findings, now)
