"""What paging does about incidents; each is idempotent, for it may run twice."""

from __future__ import annotations

import uuid

from hemostat.events.rules import EventRecord
from hemostat.paging import actions


def _incident(event: EventRecord) -> int:
    return next(int(s.id) for s in event.subjects if s.kind == "incident")


def start(event: EventRecord) -> None:
    """An incident was opened: somebody is paged."""
    actions.start(_incident(event))


def raise_urgency(event: EventRecord) -> None:
    """It is worse than it was: the policy is run at the new severity from now on."""
    actions.severity_raised(_incident(event), uuid.UUID(event.id))


def stop_ringing(event: EventRecord) -> None:
    """Somebody has it: nobody further is paged."""
    actions.look_again(_incident(event))


def tell_resolved(event: EventRecord) -> None:
    """It is over: those who were paged are told, and nothing more is sent."""
    actions.tell_resolved(_incident(event))


def escalate_now(event: EventRecord) -> None:
    """Somebody needs help: the next people are paged now."""
    actions.help_asked(_incident(event), uuid.UUID(event.id))


def ring_again(event: EventRecord) -> None:
    """What was mitigated fails again: paging begins anew."""
    actions.ring_again(_incident(event), uuid.UUID(event.id))
