"""The Now page as data: what is open, what needs a person, and on a calm day the proof that paging works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hemostat.base import texts
from hemostat.base.texts import Text
from hemostat.desk.rules.health import Health
from hemostat.desk.rules.incident import Chip
from hemostat.incidents.rules.states import State

NEEDS_COMMANDER = timedelta(minutes=5)
"""By when a P0 or P1 must have a commander."""


@dataclass(frozen=True)
class OpenIncident:
    """An open incident with what tells whether it needs somebody."""

    id: int
    code: str
    severity: int
    state: State
    headline: Text
    service: str
    users: int | None
    onset_at: datetime
    opened_at: datetime
    acknowledged_by: str
    commander: str
    run: str
    """state of the open run; "" when none goes on"""
    nobody_left: bool
    """whether everybody was paged and nobody answered"""
    cause: Text | None = None
    cause_app_id: str = ""


@dataclass(frozen=True)
class Row:
    """An open incident as the list shows it."""

    incident: OpenIncident
    chip: Chip
    lasted_s: float


@dataclass(frozen=True)
class Need:
    """Something that waits for a person, with the one button that answers it."""

    icon: str
    urgent: bool
    title: str
    sub: str
    button: str
    url_name: str
    url_args: tuple[str, ...] = ()
    post: bool = False


@dataclass(frozen=True)
class Duty:
    """A schedule and who is on call on it."""

    schedule: str
    person: str
    you: bool
    until: datetime | None
    then: str
    reachable: bool
    """whether a proven way leads to them"""


@dataclass(frozen=True)
class Check:
    """One thing that must hold so that somebody can be paged."""

    state: str
    """ok, warn, bad or off"""
    title: str
    sub: str


@dataclass(frozen=True)
class Day:
    """A day of the strip: the worst severity that began on it, if any."""

    severity: int | None


@dataclass(frozen=True)
class NowPage:
    """Everything the Now page shows."""

    rows: tuple[Row, ...]
    needs: tuple[Need, ...]
    duties: tuple[Duty, ...]
    checks: tuple[Check, ...]
    health: tuple[Health, ...]
    days: tuple[Day, ...]
    last: OpenIncident | None
    last_lasted_s: float
    ever: int
    """how many incidents there have been"""

    @property
    def calm(self) -> bool:
        """Whether nothing is open."""
        return not self.rows

    @property
    def can_be_paged(self) -> bool:
        """Whether every check holds."""
        return all(check.state in {"ok", "warn"} for check in self.checks)

    @property
    def urgent(self) -> int:
        """How many needs are urgent."""
        return sum(need.urgent for need in self.needs)


def chip(incident: OpenIncident) -> Chip:
    """The state of an incident in two words."""
    if incident.run in {"running", "verifying"}:
        return Chip("acc", "spin", _("Plan running"), moving=True)
    if incident.run == "outcome_unknown":
        return Chip("warn", "help", _("A person decides"))
    match incident.state:
        case State.OPEN:
            return Chip("bad", "bell", _("Not acknowledged"))
        case State.MITIGATED:
            return Chip("", "check", _("Mitigated"))
        case State.RESOLVED:
            return Chip("", "check", _("Resolved"))
        case _:
            return Chip("", "check", _("Acknowledged"))


def row(incident: OpenIncident, now: datetime, ended_at: datetime | None = None) -> Row:
    """An incident as a list shows it."""
    return Row(incident, chip(incident), round(max(0.0, ((ended_at or now) - incident.onset_at).total_seconds())))


def _needs_of(incident: OpenIncident, now: datetime) -> list[Need]:
    needs = []
    if incident.nobody_left:
        needs.append(
            Need("bell", True, _("Nobody answered for %(code)s") % {"code": incident.code},
                 _("everybody on the policy was paged"), _("Open"), "desk:incident", (incident.code,))
        )  # fmt: skip
    elif incident.state is State.OPEN:
        needs.append(
            Need("bell", True, _("%(code)s is not acknowledged") % {"code": incident.code},
                 texts.render(incident.headline), _("Open"), "desk:incident", (incident.code,))
        )  # fmt: skip
    if incident.run == "outcome_unknown":
        needs.append(
            Need("help", True, _("Did a step of %(code)s happen?") % {"code": incident.code},
                 _("the plan waits until somebody looks"), _("Look"), "desk:incident", (incident.code,))
        )  # fmt: skip
    if incident.severity <= 1 and not incident.commander and incident.state in {State.OPEN, State.ACKNOWLEDGED}:
        left = (incident.opened_at + NEEDS_COMMANDER - now).total_seconds()
        rule = _("P%(severity)s rule: within 5 min") % {"severity": incident.severity}
        sub = (
            _("%(rule)s, %(span)s left") % {"rule": rule, "span": texts.duration(left)}
            if left > 0
            else _("%(rule)s, late") % {"rule": rule}
        )
        needs.append(
            Need("flag", True, _("%(code)s has no commander") % {"code": incident.code},
                 sub, _("Take"), "desk:take_role", (incident.code, "commander"), post=True)
        )  # fmt: skip
    return needs


def needs(
    incidents: Sequence[OpenIncident], duties: Sequence[Duty], checks: Sequence[Check], now: datetime
) -> tuple[Need, ...]:
    """What waits for a person, the urgent first."""
    found = [need for incident in incidents for need in _needs_of(incident, now)]
    for duty in duties:
        if not duty.person:
            found.append(
                Need("cal", True, _("Nobody on call: %(schedule)s") % {"schedule": duty.schedule},
                     _("a page to it goes to the next tier at once"), _("Look"), "desk:set_up")
            )  # fmt: skip
        elif not duty.reachable:
            found.append(
                Need("warn", True, _("%(person)s cannot be reached") % {"person": duty.person},
                     _("on call for %(schedule)s, without a way that is proven") % {"schedule": duty.schedule},
                     _("Look"), "desk:set_up")
            )  # fmt: skip
    missing = sum(check.state in {"bad", "off"} for check in checks)
    if missing:
        found.append(
            Need("gear", False, _("Set-up is not finished"),
                 ngettext("%(n)s check does not hold yet", "%(n)s checks do not hold yet", missing)
                 % {"n": missing}, _("Continue"), "desk:set_up")
        )  # fmt: skip
    return tuple(sorted(found, key=lambda need: not need.urgent))


def strip(begun: Sequence[tuple[datetime, int]], now: datetime, days: int = 90) -> tuple[Day, ...]:
    """The last `days` days, oldest first, each with the worst severity that began on it."""
    worst: dict[int, int] = {}
    for at, severity in begun:
        age = (now - at).days
        if 0 <= age < days:
            worst[age] = min(severity, worst.get(age, severity))
    return tuple(Day(worst.get(age)) for age in range(days - 1, -1, -1))
