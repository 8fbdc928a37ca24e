"""What a message tells about an incident: what, why, do. Data; `messages.py` words it.

The best plan comes from a room that this one does not know: the site hands in who to ask (`suggest_with`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from hemostat.base.texts import Text
from hemostat.diagnosis import queries as diagnoses
from hemostat.diagnosis.rules.answer import Confidence
from hemostat.incidents.models import Incident

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Suggestion:
    """The plan that ranks first for an incident: its name, and what speaks for it in a few words."""

    name: str
    summary: Text | None = None


@dataclass(frozen=True)
class IncidentBrief:
    """An incident in a message."""

    code: str
    severity: int
    environment: str
    headline: Text | None
    """None only when what is known of the incident could not be read."""
    since: datetime
    users: int | None = None
    purpose: str = ""
    """What users cannot do, e.g. “pay”."""
    cause: Text | None = None
    confidence: Confidence | None = None
    plan: Suggestion | None = None
    severity_reason: Text | None = None
    resolved_at: datetime | None = None


_sources: list[Callable[[Incident], Suggestion | None]] = []


def suggest_with(source: Callable[[Incident], Suggestion | None]) -> None:
    """Let `source` name the best plan of an incident; called once, at start-up."""
    _sources[:] = [source]


def brief(incident_id: int) -> IncidentBrief:
    """What is known of an incident now.

    Raises Incident.DoesNotExist. Whatever else goes wrong costs a line of the message, never the message.
    """
    row = Incident.objects.select_related("environment", "service").get(pk=incident_id)
    cause, confidence = _cause(row)
    return IncidentBrief(
        code=row.code,
        severity=row.severity,
        environment=row.environment.slug,
        headline=Text.from_json(row.headline) if row.headline else None,
        since=row.onset_at,
        users=row.users_affected,
        purpose=row.service.purpose if row.service else "",
        cause=cause,
        confidence=confidence,
        plan=_plan(row),
        severity_reason=Text.from_json(row.severity_reason) if row.severity_reason else None,
        resolved_at=row.resolved_at,
    )


def _cause(row: Incident) -> tuple[Text | None, Confidence | None]:
    if row.diagnosis_id is None:
        return None, None
    try:
        answer = diagnoses.answer(row.diagnosis_id)
    except Exception:  # a page must go out, whatever is wrong with the diagnosis
        log.exception("the cause could not be read for a message", incident=row.code)
        return None, None
    if not answer.causes:
        return None, None
    return answer.causes[0].sentence, answer.causes[0].confidence


def _plan(row: Incident) -> Suggestion | None:
    for source in _sources:
        try:
            return source(row)
        except Exception:  # a page must go out, whatever is wrong with the plans
            log.exception("the best plan could not be read for a message", incident=row.code)
    return None
