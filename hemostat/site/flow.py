"""What follows from what: each event and the reactions to it, in one table.

Rooms do not call upwards; what a higher room must do about a lower room's event stands here. Reactions are due
rows written in the event's transaction, carried out at least once by the engine, idempotent on the event's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hemostat.events.registry import Handler
from hemostat.incidents import reactions as incidents
from hemostat.paging import reactions as paging

FLOW: Mapping[str, Sequence[Handler]] = {
    "detection.drop_opened": [incidents.open_for_drop],
    "detection.drop_recovered": [incidents.note_recovery],
    "alerts.firing": [incidents.open_for_alert],
    "alerts.resolved": [incidents.note_alert_resolved],
    "plans.run_helped": [incidents.mitigate_after_run],
    "incidents.opened": [paging.start],
    "incidents.severity_raised": [paging.raise_urgency],
    "incidents.acknowledged": [paging.stop_ringing],
    "incidents.relapsed": [paging.ring_again],
    "incidents.resolved": [paging.tell_resolved],
    "incidents.help_asked": [paging.escalate_now],
}
