"""What the engine does again and again, in one table: the rooms' work, and how often each looks by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hemostat.alerts import actions as alerts
from hemostat.base.due import DueRow
from hemostat.detection import actions as detection
from hemostat.events import actions as events
from hemostat.events.models import Reaction
from hemostat.incidents import chores as incidents
from hemostat.incidents.models import Incident
from hemostat.intake import chores as intake
from hemostat.paging import chores as paging
from hemostat.paging.models import Delivery, Page
from hemostat.people import chores as people
from hemostat.plans import chores as plans


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One thing to do again and again."""

    name: str
    work: Callable[[datetime], object]
    """Does what there is to do at that time."""
    every_s: float = 1.0
    """The longest time between two looks, seconds; a notification or a due row shortens it."""
    due: tuple[type[DueRow], ...] = ()
    """Rows whose next due time ends the wait."""
    wakes: bool = True
    """Whether a notification ends the wait; False for what goes by the clock alone."""
    until_done: bool = True
    """Whether it is called again at once as long as it answers that there was something to do."""
    leader: bool = False
    """Only in the elected process."""
    threads: int = 1
    """How many work at the same time in one process; rows are claimed, so each is done once."""


def by_clock(name: str, work: Callable[[datetime], object], every_s: float) -> Loop:
    """Something the leader does every so many seconds."""
    return Loop(name=name, work=work, every_s=every_s, wakes=False, until_done=False, leader=True)


LOOPS: tuple[Loop, ...] = (
    Loop(name="reactions", work=lambda _now: events.work_reactions(), due=(Reaction,)),
    Loop(name="pages", work=paging.step_pages, due=(Page,)),
    Loop(name="deliveries", work=paging.send_deliveries, due=(Delivery,)),
    # not by due rows: what is due may be for engines with another label, and would be looked at without a pause
    Loop(name="runs", work=plans.work),
    Loop(name="incidents", work=incidents.work, due=(Incident,)),
    Loop(name="inbox", work=alerts.fold_inbox, leader=True),
    by_clock("detection", detection.look, every_s=1),
    by_clock("audit", paging.audit, every_s=30),
    by_clock("housekeeping", intake.work, every_s=60),
    by_clock("old alerts", alerts.drop_old, every_s=3600),
    by_clock("people", people.work, every_s=600),
)
