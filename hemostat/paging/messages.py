"""The words of a page and of "it is over", in the receiver's language and zone: what, why, do, one link to answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from hemostat.base.texts import Text, count, render
from hemostat.channels.rules import Button, Message, Section
from hemostat.diagnosis.rules.answer import Confidence
from hemostat.oncall.rules import zone
from hemostat.paging import links
from hemostat.paging.brief import IncidentBrief
from hemostat.paging.engine import Outgoing
from hemostat.people.models import User


def page(brief: IncidentBrief, outgoing: Outgoing, to: User) -> Message:
    """The message that pages `to`."""
    with override(to.language), timezone.override(zone_of(to)):
        return Message(
            id=outgoing.delivery_id,
            kind="page",
            title=_title(brief),
            lead=_lead(brief),
            sections=_sections(brief),
            buttons=(
                Button(_("Acknowledge"), links.ack_url(outgoing.delivery_id)),
                Button(_("Open the incident"), links.incident_url(brief.code)),
            ),
            footer=_why_you(outgoing),
            language=to.language,
            severity=brief.severity,
            data=_data(brief, outgoing.delivery_id, answerable=True),
        )


def resolved(brief: IncidentBrief, outgoing: Outgoing, to: User) -> Message:
    """The message that tells `to` that it is over."""
    with override(to.language), timezone.override(zone_of(to)):
        lasted = (brief.resolved_at - brief.since).total_seconds() if brief.resolved_at else 0.0
        return Message(
            id=outgoing.delivery_id,
            kind="resolved",
            title=_("Over: %(title)s") % {"title": _title(brief)},
            lead=render(Text("paging.lasted", {"for_s": lasted, "since": brief.since.isoformat()})),
            buttons=(Button(_("Open the incident"), links.incident_url(brief.code)),),
            footer=_("You are told because you were paged about it."),
            language=to.language,
            severity=brief.severity,
            data=_data(brief, outgoing.delivery_id, answerable=False),
        )


def zone_of(user: User) -> Any:
    """The person's time zone; UTC where what is stored is none."""
    try:
        return zone(user.time_zone)
    except ValueError:
        return zone("UTC")


@dataclass(frozen=True)
class Words:
    """A brief in the active language, for pages."""

    headline: str
    lead: str
    why: str
    cause: str


def words(brief: IncidentBrief) -> Words:
    """What pages say about an incident, in the words of the message."""
    why = _sections(brief)[0]
    return Words(_headline(brief), _lead(brief), why.heading, why.lines[0])


def _title(brief: IncidentBrief) -> str:
    return f"P{brief.severity} {_headline(brief)} · {brief.code}"


def _headline(brief: IncidentBrief) -> str:
    return render(brief.headline) if brief.headline else _("Something is failing")


def _lead(brief: IncidentBrief) -> str:
    since = render(Text("paging.since", {"since": brief.since.isoformat()}))
    if not brief.users:
        return since
    users = {"n": count(_round(brief.users)), "what": brief.purpose}
    if brief.purpose:
        return f"{since} " + _("About %(n)s users cannot %(what)s.") % users
    return f"{since} " + _("About %(n)s users are affected.") % users


def _round(users: int) -> int:
    """Two leading digits: it is an estimate, and is told as one."""
    digits = max(0, len(str(users)) - 2)
    return round(users, -digits)


def _sections(brief: IncidentBrief) -> tuple[Section, ...]:
    sections = []
    if brief.cause is not None:
        sections.append(Section(_why(brief.confidence), (render(brief.cause),)))
    else:
        sections.append(Section(_("Why"), (_("Not known yet. The incident page goes on looking."),)))
    if brief.plan is not None:
        summary = (render(brief.plan.summary),) if brief.plan.summary else ()
        sections.append(Section(_("Best plan"), (brief.plan.name, *summary)))
    return tuple(sections)


def _why(confidence: Confidence | None) -> str:
    match confidence:
        case Confidence.VERY_LIKELY:
            return _("Why, very likely")
        case Confidence.LIKELY:
            return _("Why, likely")
        case Confidence.POSSIBLE:
            return _("Why, possibly")
        case _:
            return _("Why, a guess")


def _why_you(outgoing: Outgoing) -> str:
    if outgoing.tier < 0:
        return _("You are paged because nobody before you could be reached or answered.")
    values = {"schedule": outgoing.via, "tier": outgoing.tier + 1}
    if outgoing.via:
        return _("You are paged because you are on call for %(schedule)s (tier %(tier)s).") % values
    return _("You are paged because tier %(tier)s of the escalation policy names you.") % values


def _data(brief: IncidentBrief, delivery_id: uuid.UUID, *, answerable: bool) -> dict[str, Any]:
    """The same for programs; the acknowledge link is in it, as it is in every page."""
    data: dict[str, Any] = {
        "incident": brief.code,
        "severity": f"P{brief.severity}",
        "environment": brief.environment,
        "headline": brief.headline.as_json() if brief.headline else None,
        "since": brief.since.isoformat(),
        "users_affected": brief.users,
        "cause": brief.cause.as_json() if brief.cause else None,
        "cause_sentence": render(brief.cause) if brief.cause else None,
        "confidence": brief.confidence.value if brief.confidence else None,
        "plan": brief.plan.name if brief.plan else None,
        "incident_url": links.incident_url(brief.code),
    }
    if answerable:
        data["acknowledge_url"] = links.ack_url(delivery_id)
    else:
        data["resolved_at"] = brief.resolved_at.isoformat() if brief.resolved_at else None
    return data
