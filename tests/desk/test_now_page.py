"""What needs a person, and how services do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hemostat.base.texts import Text
from hemostat.catalog.rules import Tier
from hemostat.desk.rules.health import Minute, arrange
from hemostat.desk.rules.now import Check, Duty, OpenIncident, needs, strip
from hemostat.incidents.rules.states import State

NOW = datetime(2026, 11, 19, 13, 5, 40, tzinfo=UTC)
INCIDENT = OpenIncident(
    id=1, code="INC-318", severity=0, state=State.OPEN, headline=Text("incidents.headline_alert", {"summary": "Down"}),
    service="Payment", users=8400, onset_at=NOW - timedelta(minutes=3), opened_at=NOW - timedelta(minutes=3),
    acknowledged_by="", commander="", run="", nobody_left=False,
)  # fmt: skip
DUTY = Duty("Payments", "Mira", you=True, until=None, then="", reachable=True)


def _titles(incident: OpenIncident) -> list[str]:
    return [n.title for n in needs([incident], [DUTY], [], NOW)]


def test_an_incident_that_nobody_answered_and_nobody_commands_needs_somebody() -> None:
    assert _titles(INCIDENT) == ["INC-318 is not acknowledged", "INC-318 has no commander"]


def test_a_page_that_ran_out_of_people_is_told_instead_of_a_missing_answer() -> None:
    assert _titles(replace(INCIDENT, nobody_left=True))[0] == "Nobody answered for INC-318"


def test_a_lesser_incident_needs_no_commander() -> None:
    assert _titles(replace(INCIDENT, severity=2, state=State.ACKNOWLEDGED)) == []


def test_a_run_of_unknown_outcome_needs_somebody_who_looks() -> None:
    run = replace(INCIDENT, state=State.ACKNOWLEDGED, commander="Mira", run="outcome_unknown")
    assert _titles(run) == ["Did a step of INC-318 happen?"]


def test_gaps_and_people_out_of_reach_are_needs_and_urgent_ones_come_first() -> None:
    gap = Duty("Databases", "", you=False, until=None, then="", reachable=False)
    deaf = Duty("Payments", "Mira", you=True, until=None, then="", reachable=False)
    found = needs([], [gap, deaf], [Check("off", "x", "y")], NOW)
    assert [(n.title, n.urgent) for n in found] == [
        ("Nobody on call: Databases", True),
        ("Mira cannot be reached", True),
        ("Set-up is not finished", False),
    ]


def test_the_strip_has_the_worst_of_each_day_and_today_at_its_end() -> None:
    days = strip([(NOW, 3), (NOW, 1), (NOW - timedelta(days=89, hours=1), 2), (NOW - timedelta(days=90), 0)], NOW)
    assert len(days) == 90
    assert (days[-1].severity, days[0].severity) == (1, 2)
    assert sum(d.severity is not None for d in days) == 2


def test_services_that_hurt_come_first_and_are_told_why() -> None:
    def minutes(failed: int) -> list[Minute]:
        return [Minute(NOW - timedelta(minutes=n), 100, failed) for n in (2, 1)]

    rows = arrange(
        {"a": minutes(0), "b": minutes(88), "c": minutes(90), "d": minutes(3), "e": []},
        {"a": ("A", Tier.CORE), "b": ("B", Tier.NORMAL), "c": ("C", Tier.CORE)},
        falling=frozenset({"b"}),
        causes=frozenset({"c"}),
    )
    assert [(h.label, h.word, round(h.share, 2)) for h in rows] == [
        ("C", "cause", 0.1),
        ("B", "failing", 0.12),
        ("d", "degraded", 0.97),
        ("A", "healthy", 1.0),
        ("e", "healthy", 1.0),
    ]
