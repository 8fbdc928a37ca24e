"""What the guide says: each thing once, and always what can be pressed next."""

from __future__ import annotations

from dataclasses import replace

from hemostat_lab.narration import Event, Incident, Scene, narrate

SCENE = Scene(url="http://localhost:8080", responder="Shop on call", again="break-it-otherwise")
OPENED = Incident("INC-1", "open", "Checkout success 99 % → 12 %", "", ("Restart orders-db", "Restart orders"))


def said(before: Incident | None, now: Incident, since: float | None = 7) -> list[str]:
    return narrate(before, now, SCENE, since_fault_s=since)


def test_an_incident_is_announced_once_with_its_figure() -> None:
    assert said(None, OPENED) == ["INC-1 opened 7 s after the fault: Checkout success 99 % → 12 %."]
    assert said(OPENED, OPENED) == []


def test_the_cause_is_told_once_when_it_is_named() -> None:
    named = replace(OPENED, cause="orders-db refuses connections: INSERT")
    assert said(OPENED, named) == ["Why: orders-db refuses connections: INSERT"]
    assert said(named, replace(named, cause="orders-db refuses connections: SELECT")) == []


def test_after_the_page_it_says_where_the_message_is_and_names_the_first_plan() -> None:
    paged = replace(OPENED, events=(Event("1", "paging.delivered", "Shop on call was reached by e-mail"),))
    lines = said(OPENED, paged)
    assert lines[0] == "INC-1: Shop on call was reached by e-mail."
    assert "/demo/mailbox/" in lines[1]
    assert lines[2] == "Then open http://localhost:8080/incidents/INC-1 and press “Restart orders-db”."


def test_what_to_press_is_said_once_however_many_are_paged() -> None:
    first, second = (Event(n, "paging.delivered", f"{who} was reached") for n, who in (("1", "Ana"), ("2", "Omar")))
    lines = said(OPENED, replace(OPENED, events=(first, second)))
    assert lines[-1] == "INC-1: Omar was reached."
    assert sum("/demo/mailbox/" in line for line in lines) == 1
    assert said(replace(OPENED, events=(first,)), replace(OPENED, events=(first, second))) == lines[-1:]


def test_somebody_who_acknowledged_by_running_a_plan_is_not_told_to_run_it() -> None:
    events = (Event("1", "incidents.acknowledged", "Ana acknowledged"), Event("2", "plans.run_started", "Ana started"))
    assert said(OPENED, replace(OPENED, state="acknowledged", events=events)) == [
        "INC-1: Ana acknowledged.",
        "INC-1: Ana started.",
    ]


def test_a_plan_that_did_not_help_leads_to_the_next_one() -> None:
    event = Event("2", "plans.run_did_not_help", "“Restart orders-db” did not help")
    failed = replace(OPENED, state="acknowledged", options=("Restart orders",), events=(event,))
    assert said(OPENED, failed)[-1] == "Next: open http://localhost:8080/incidents/INC-1 and press “Restart orders”."


def test_without_a_fitting_plan_it_does_not_invent_one() -> None:
    event = Event("3", "incidents.acknowledged", "Ana acknowledged")
    bare = replace(OPENED, state="acknowledged", options=(), events=(event,))
    assert "No prepared plan fits yet" in said(OPENED, bare)[-1]


def test_recovery_is_timed_and_the_end_offers_the_other_fault() -> None:
    back = replace(OPENED, state="mitigated", events=(Event("4", "incidents.mitigated", "Mitigated"),))
    assert said(OPENED, back, 41)[-1] == "The shop's users are served again, 41 s after the fault."
    over = replace(back, state="resolved", events=(*back.events, Event("5", "incidents.resolved", "Resolved")))
    assert said(back, over)[-1].endswith("break-it-otherwise")


def test_what_is_not_worth_telling_is_not_told() -> None:
    stepped = replace(OPENED, events=(Event("6", "plans.step_finished", "Step 1 done"),))
    assert said(OPENED, stepped) == []
