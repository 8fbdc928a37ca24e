"""The only writers of paging: pages and their deliveries, and the policies they follow."""

from hemostat.paging.actions.pages import (
    Answer,
    StaleStepError,
    acknowledge_by_link,
    begin_try,
    call_off,
    carry_out,
    end_try,
    escalate,
    help_asked,
    keep_audit,
    look_again,
    note_late_acceptance,
    ring_again,
    severity_raised,
    start,
    tell_resolved,
)
from hemostat.paging.actions.policies import (
    NewTier,
    add_policy,
)

__all__ = [
    "Answer",
    "NewTier",
    "StaleStepError",
    "acknowledge_by_link",
    "add_policy",
    "begin_try",
    "call_off",
    "carry_out",
    "end_try",
    "escalate",
    "help_asked",
    "keep_audit",
    "look_again",
    "note_late_acceptance",
    "ring_again",
    "severity_raised",
    "start",
    "tell_resolved",
]
