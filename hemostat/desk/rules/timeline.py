"""The timeline: each event as a line with the shape that says its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hemostat.base.texts import Text
from hemostat.events.rules import EventRecord

SIGNS: dict[str, tuple[str, str]] = {
    "incidents.opened": ("now", "bad"),
    "incidents.joined": ("plus", ""),
    "incidents.cause_named": ("tree", "acc"),
    "incidents.severity_changed": ("flag", ""),
    "incidents.severity_raised": ("flag", "bad"),
    "incidents.acknowledged": ("check", "ok"),
    "incidents.noted": ("chat", ""),
    "incidents.role_taken": ("user", ""),
    "incidents.help_asked": ("help", "bad"),
    "incidents.mitigated": ("check", "ok"),
    "incidents.relapsed": ("warn", "bad"),
    "incidents.resolved": ("check", "ok"),
    "detection.drop_opened": ("warn", ""),
    "detection.drop_recovered": ("now", "ok"),
    "plans.run_helped": ("check", "ok"),
    "plans.run_did_not_help": ("x", "bad"),
    "plans.run_failed": ("x", "bad"),
    "plans.run_outcome_unknown": ("help", "bad"),
}
"""Icon and tone of an event kind; others by their room, then a bell for paging and a step for plans."""
ROOMS = {"paging": ("bell", ""), "plans": ("play", "acc"), "alerts": ("warn", ""), "detection": ("now", "")}

TOLD_TWICE = frozenset({"incidents.severity_raised"})
"""Events that only cause reactions; what they tell stands in another event of the same moment."""

FILTERS = {
    "signals": ("detection.", "alerts.", "incidents.opened", "incidents.joined", "incidents.cause_named"),
    "pages": ("paging.", "incidents.acknowledged", "incidents.help_asked"),
    "decisions": ("incidents.",),
    "steps": ("plans.",),
}


@dataclass(frozen=True)
class Line:
    """One fact on the timeline."""

    at: datetime
    icon: str
    tone: str
    text: Text
    kind: str
    who: str
    """initials stand for a person who acted; "" when nobody did"""
    you: bool


def sign(kind: str) -> tuple[str, str]:
    """The icon and tone of an event kind."""
    return SIGNS.get(kind) or ROOMS.get(kind.partition(".")[0], ("doc", ""))


def lines(events: Sequence[EventRecord], reader_id: int) -> tuple[Line, ...]:
    """The events as lines, in the order given."""
    told = []
    for event in events:
        if event.kind in TOLD_TWICE:
            continue
        icon, tone = sign(event.kind)
        person = event.actor.kind == "user"
        you = person and event.actor.id == str(reader_id)
        told.append(Line(event.at, icon, tone, event.text(), event.kind, event.actor.label if person else "", you))
    return tuple(told)


def only(told: Sequence[Line], name: str) -> tuple[Line, ...]:
    """The lines that a filter lets through; an unknown name lets all through."""
    prefixes = FILTERS.get(name)
    return tuple(told) if prefixes is None else tuple(line for line in told if line.kind.startswith(prefixes))
