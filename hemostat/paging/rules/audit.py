"""The auditor's judgement: has anybody been forgotten? Independent of `next_step`, so that one mistake is not both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hemostat.base.texts import Text
from hemostat.paging.rules.states import PageState
from hemostat.paging.rules.steps import Reason

BEGINS_WITHIN = timedelta(seconds=30)
"""How long an incident may be open before its page begins."""
LATEST = timedelta(seconds=60)
"""How much after its time a page may be looked at."""


@dataclass(frozen=True)
class OpenIncident:
    """An incident that is not resolved, and its page."""

    code: str
    opened_at: datetime
    acknowledged: bool
    page: PageState | None
    reason: str
    due_at: datetime | None
    error: str


def audit_open(incident: OpenIncident, now: datetime) -> Text | None:
    """What is wrong with the paging of an open incident; None when nothing is."""

    def finding(code: str) -> Text:
        return Text(f"paging.audit_{code}", {"code": incident.code, "error": incident.error})

    if incident.page is None:
        return None if now - incident.opened_at <= BEGINS_WITHIN else finding("no_page")
    if incident.due_at is not None:
        if now - incident.due_at > LATEST:
            return finding("late")
        return finding("nobody") if incident.reason == Reason.NOBODY else None
    match incident.page:
        case PageState.ACKNOWLEDGED if incident.acknowledged:
            return None
        case PageState.RINGING if incident.reason == Reason.LOW_URGENCY:
            return None
        case PageState.EXHAUSTED:
            return finding("exhausted")
        case _:
            return finding("stuck")
