"""What happens next to a page: each promise of the escalation, as a pure question."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.paging.rules.deliveries import DeliveryFacts, Kind
from hemostat.paging.rules.policy import PolicyStamp, TargetKind, TargetStamp, TierStamp
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.rules.steps import (
    Decision,
    Directory,
    Do,
    PageFacts,
    Person,
    Reason,
    Skip,
    SkipReason,
    Way,
    next_step,
    plan,
)

NOW = datetime(2026, 11, 19, 13, 2, 32, tzinfo=UTC)
EMAIL = Way(1, "email", "x@example.org", "email", True)
HOOK = Way(2, "webhook", "hooks.example.org", "webhook", True)
IN_APP = Way(3, "in_app", "", "in_app", False)


def user(n: int) -> TargetStamp:
    return TargetStamp(TargetKind.USER, n, f"P{n}")


def schedule(n: int) -> TargetStamp:
    return TargetStamp(TargetKind.SCHEDULE, n, f"S{n}")


def policy(*tiers: tuple[TargetStamp, ...], fallback: TargetStamp | None = user(9), repeat: int = 0) -> PolicyStamp:  # noqa: B008
    return PolicyStamp("p", "P", repeat, tuple(TierStamp(300, t) for t in tiers), fallback)


def people(*ids: int, **changes: object) -> Directory:
    return Directory({n: Person(n, f"P{n}", True, (EMAIL,)) for n in ids}, {})


def page(stamp: PolicyStamp, **changes: object) -> PageFacts:
    fresh = PageFacts(
        policy=stamp,
        state=PageState.RINGING,
        severity=1,
        step=0,
        pass_no=0,
        tier=-1,
        at_fallback=False,
        step_started_at=None,
        escalate_step=None,
        grace_step=0,
        answered=False,
        over=False,
        mitigated=False,
        on_it=None,
        deliveries=(),
    )
    return replace(fresh, **changes)  # type: ignore[arg-type]


def delivery(accepted_after_s: float | None = 0, **changes: object) -> DeliveryFacts:
    facts = DeliveryFacts(
        id=uuid.uuid4(),
        user_id=1,
        message=Kind.PAGE,
        step=1,
        position=0,
        wakes=True,
        state=DeliveryState.PENDING if accepted_after_s is None else DeliveryState.ACCEPTED,
        due_at=None,
        created_at=NOW,
        tries=1,
        first_tried_at=NOW,
        accepted_at=None if accepted_after_s is None else NOW + timedelta(seconds=accepted_after_s),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def ringing(stamp: PolicyStamp, accepted_after_s: float | None = 0, **changes: object) -> PageFacts:
    """At the first tier, since NOW."""
    values: dict[str, object] = {
        "step": 1,
        "tier": 0,
        "step_started_at": NOW,
        "deliveries": (delivery(accepted_after_s),),
    }
    return page(stamp, **{**values, **changes})


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def whom(decision: Decision) -> list[int]:
    assert decision.do is Do.PAGE
    return [r.person.id for r in decision.recipients]


TWO = policy((user(1),), (user(2),))
ALL = people(1, 2, 3, 9)


def test_the_first_tier_is_paged_at_once() -> None:
    decision = next_step(page(TWO), ALL, NOW)
    assert (whom(decision), decision.reason, decision.tier) == ([1], Reason.STARTED, 0)


def test_the_next_tier_is_paged_when_the_time_is_over_and_not_before() -> None:
    assert next_step(ringing(TWO), ALL, at(299)) == Decision(Do.WAIT, Reason.WAITING, at(300), 0, 0, False)
    decision = next_step(ringing(TWO), ALL, at(300))
    assert (whom(decision), decision.reason) == ([2], Reason.TIMED_OUT)


def test_the_clock_starts_when_the_page_was_first_accepted() -> None:
    assert next_step(ringing(TWO, 100), ALL, at(300)).due_at == at(400)


def test_an_outage_of_the_provider_stops_the_clock_only_up_to_a_cap() -> None:
    assert next_step(ringing(TWO, None), ALL, at(300)).due_at == at(420)
    assert whom(next_step(ringing(TWO, None), ALL, at(421))) == [2]


def test_nobody_is_escalated_over_before_they_had_a_minute() -> None:
    waiting = next_step(ringing(TWO, 410), ALL, at(420))
    assert (waiting.do, waiting.due_at) == (Do.WAIT, at(470))
    assert whom(next_step(ringing(TWO, 410), ALL, at(470))) == [2]


def test_after_a_backlog_of_our_own_the_tier_gets_its_minute_once() -> None:
    late = next_step(ringing(TWO, None), ALL, at(1200))
    assert (late.do, late.reason, late.due_at) == (Do.WAIT, Reason.BACKLOG, at(1260))
    assert whom(next_step(ringing(TWO, None, grace_step=1), ALL, at(1260))) == [2]


def test_in_app_does_not_start_the_clock_of_somebody_who_can_be_woken() -> None:
    rows = (delivery(None), delivery(0, wakes=False, position=1))
    assert next_step(ringing(TWO, deliveries=rows), ALL, at(10)).due_at == at(420)
    assert next_step(ringing(TWO, deliveries=rows[1:]), ALL, at(10)).due_at == at(300)


def test_repeat_means_additional_passes_then_the_fallback_then_a_loud_end() -> None:
    stamp = policy((user(1),), (user(2),), repeat=1)
    order = []
    facts = page(stamp)
    now = NOW
    for _ in range(6):
        decision = next_step(facts, ALL, now)
        if decision.do is not Do.PAGE:
            break
        order += whom(decision)
        facts = page(
            stamp,
            step=facts.step + 1,
            pass_no=decision.pass_no,
            tier=decision.tier,
            at_fallback=decision.at_fallback,
            step_started_at=now,
            deliveries=(delivery((now - NOW).total_seconds()),),
        )
        now += timedelta(seconds=301)
    assert order == [1, 2, 1, 2, 9]
    assert (decision.do, decision.reason) == (Do.EXHAUSTED, Reason.ALL_TRIED)


@pytest.mark.parametrize(
    ("target", "directory", "reason"),
    [
        (schedule(5), ALL, SkipReason.NO_SCHEDULE),
        (schedule(5), replace(ALL, on_call={5: None}), SkipReason.NOBODY_ON_CALL),
        (schedule(5), replace(ALL, on_call={5: 77}), SkipReason.UNKNOWN_PERSON),
        (user(77), ALL, SkipReason.UNKNOWN_PERSON),
        (user(4), Directory({**ALL.people, 4: Person(4, "P4", False, (EMAIL,))}, {}), SkipReason.INACTIVE),
        (user(4), Directory({**ALL.people, 4: Person(4, "P4", True, ())}, {}), SkipReason.NO_WAY),
    ],
)
def test_a_tier_that_can_reach_nobody_is_skipped_at_once_with_the_reason(
    target: TargetStamp, directory: Directory, reason: SkipReason
) -> None:
    decision = next_step(page(policy((target,), (user(2),))), directory, NOW)
    assert whom(decision) == [2]
    assert [s.reason for s in decision.skipped] == [reason]
    assert decision.tier == 1


def test_an_empty_tier_is_skipped_at_once() -> None:
    decision = next_step(page(policy((), (user(2),))), ALL, NOW)
    assert (whom(decision), decision.skipped) == ([2], (Skip(0, "", SkipReason.EMPTY_TIER),))


def test_when_no_tier_reaches_anybody_the_fallback_is_paged_at_once() -> None:
    decision = next_step(page(policy((user(77),), (), repeat=3)), ALL, NOW)
    assert (whom(decision), decision.at_fallback) == ([9], True)
    assert len(decision.skipped) == 2


def test_when_nobody_at_all_can_be_reached_it_is_loud_and_tried_again() -> None:
    decision = next_step(page(TWO), people(), NOW)
    assert (decision.do, decision.reason, decision.due_at) == (Do.EXHAUSTED, Reason.NOBODY, at(60))
    assert whom(next_step(page(TWO, state=PageState.EXHAUSTED), ALL, at(60))) == [1]


def test_targets_are_resolved_when_the_step_runs() -> None:
    stamp = policy((user(1),), (schedule(5),))
    before, after = replace(ALL, on_call={5: 2}), replace(ALL, on_call={5: 3})
    assert whom(next_step(ringing(stamp), before, at(300))) == [2]
    assert whom(next_step(ringing(stamp), after, at(300))) == [3]


def test_when_every_message_of_a_step_was_refused_the_next_tier_is_paged_at_once() -> None:
    failed = (delivery(None, state=DeliveryState.FAILED),)
    decision = next_step(ringing(TWO, deliveries=failed), ALL, at(3))
    assert (whom(decision), decision.reason) == ([2], Reason.UNREACHED)


@pytest.mark.parametrize("severity", [0, 1, 2, 3, 4])
def test_an_answer_and_the_end_stop_it_at_every_severity(severity: int) -> None:
    assert next_step(ringing(TWO, answered=True, severity=severity), ALL, at(9999)).do is Do.ANSWERED
    assert next_step(ringing(TWO, over=True, severity=severity), ALL, at(9999)).do is Do.STOP


def test_p0_pages_the_whole_chain_at_once_and_each_person_once() -> None:
    stamp = policy((user(1), user(2)), (user(2),), (user(3),), repeat=1)
    first = next_step(page(stamp, severity=0), ALL, NOW)
    assert whom(first) == [1, 2, 3]
    again = next_step(ringing(stamp, tier=2, severity=0), ALL, at(300))
    assert (whom(again), again.pass_no) == ([1, 2, 3], 1)


def test_a_severity_raised_to_p0_pages_the_rest_of_the_chain_now() -> None:
    stamp = policy((user(1),), (user(2),), (user(3),))
    decision = next_step(ringing(stamp, severity=0), ALL, at(5))
    assert (whom(decision), decision.reason) == ([2, 3], Reason.RAISED)


def test_p1_waits_five_minutes_at_most_and_p2_fifteen() -> None:
    slow = replace(TWO, tiers=tuple(replace(t, timeout_s=1800) for t in TWO.tiers))
    quick = replace(TWO, tiers=tuple(replace(t, timeout_s=120) for t in TWO.tiers))
    assert next_step(ringing(slow), ALL, at(1)).due_at == at(300)
    assert next_step(ringing(quick), ALL, at(1)).due_at == at(120)
    assert next_step(ringing(quick, severity=2), ALL, at(1)).due_at == at(900)


@pytest.mark.parametrize("severity", [3, 4])
def test_p3_and_p4_page_the_first_tier_only_and_say_why_they_rest(severity: int) -> None:
    assert whom(next_step(page(TWO, severity=severity), ALL, NOW)) == [1]
    resting = next_step(ringing(TWO, severity=severity), ALL, at(9999))
    assert (resting.do, resting.reason, resting.due_at) == (Do.REST, Reason.LOW_URGENCY, None)


def test_p3_whose_first_tier_cannot_be_reached_goes_on_all_the_same() -> None:
    assert whom(next_step(page(policy((user(77),), (user(2),)), severity=3), ALL, NOW)) == [2]


def test_escalate_now_pages_the_next_tier_and_wraps() -> None:
    assert whom(next_step(ringing(TWO, escalate_step=1), ALL, at(1))) == [2]
    last = ringing(TWO, tier=1, step=2, escalate_step=2)
    assert whom(next_step(last, ALL, at(1))) == [1]
    end = ringing(TWO, tier=1, step=3, at_fallback=True, escalate_step=3, state=PageState.EXHAUSTED)
    assert whom(next_step(end, ALL, at(1))) == [1]


def test_an_escalation_asked_at_an_earlier_step_is_spent() -> None:
    assert next_step(ringing(TWO, step=2, escalate_step=1), ALL, at(1)).do is Do.WAIT


def test_who_asks_for_help_is_not_paged_for_it() -> None:
    decision = next_step(ringing(TWO, escalate_step=1, on_it=2), ALL, at(1))
    assert Skip(1, "P2", SkipReason.ON_IT) in decision.skipped
    assert 2 not in whom(decision)


def test_while_the_figures_are_back_nobody_further_is_paged() -> None:
    decision = next_step(ringing(TWO, mitigated=True), ALL, at(9999))
    assert (decision.do, decision.reason) == (Do.WAIT, Reason.MITIGATED)


def test_the_first_way_is_used_at_once_and_the_others_are_a_back_up() -> None:
    person = Person(1, "P1", True, (EMAIL, HOOK, IN_APP))
    decision = next_step(page(TWO), Directory({1: person}, {}), NOW)

    def due(severity: int) -> list[tuple[str, float | None]]:
        planned = plan(decision, severity, NOW)
        return [(p.way.kind, (p.due_at - NOW).total_seconds() if p.due_at else None) for p in planned]

    assert due(1) == [("email", 0), ("webhook", 60), ("in_app", 0)]
    assert due(0) == [("email", 0), ("webhook", 30), ("in_app", 0)]
    assert due(3) == [("email", 0), ("webhook", None), ("in_app", 0)]


tiers = st.lists(
    st.lists(st.one_of(st.integers(0, 6).map(user), st.integers(0, 3).map(schedule)), max_size=3).map(tuple), max_size=4
)


@given(
    tiers=tiers,
    repeat=st.integers(0, 3),
    severity=st.integers(0, 4),
    reachable=st.sets(st.integers(0, 9)),
    on_call=st.dictionaries(st.integers(0, 3), st.none() | st.integers(0, 6)),
    refuse=st.booleans(),
)
def test_whatever_the_policy_everybody_who_can_be_reached_is_reached_or_it_ends_loudly(
    tiers: list[tuple[TargetStamp, ...]],
    repeat: int,
    severity: int,
    reachable: set[int],
    on_call: dict[int, int | None],
    refuse: bool,
) -> None:
    """Walk a page to its end: no loop, no silence, and the fallback is the last, whatever the policy says."""
    stamp = policy(*tiers, repeat=repeat)
    directory = replace(people(*reachable), on_call=on_call)
    facts, now, reached = page(stamp, severity=severity), NOW, []
    for _ in range(100):
        decision = next_step(facts, directory, now)
        if decision.do is Do.PAGE:
            reached.append(decision)
            state = DeliveryState.FAILED if refuse else DeliveryState.ACCEPTED
            facts = replace(
                facts,
                state=PageState.RINGING,
                step=facts.step + 1,
                pass_no=decision.pass_no,
                tier=decision.tier,
                at_fallback=decision.at_fallback,
                step_started_at=now,
                deliveries=(delivery(state=state, accepted_at=None if refuse else now),),
            )
        elif decision.do is Do.WAIT:
            assert decision.due_at is not None
            assert decision.due_at > now
            now = decision.due_at
        else:
            break
    else:
        pytest.fail("it never ends")
    named = {t.id if t.kind is TargetKind.USER else on_call.get(t.id) for tier in tiers for t in tier}
    paged = {r.person.id for d in reached for r in d.recipients}
    if severity <= 2 or refuse:
        assert paged == (named | {9}) & reachable
        assert decision.do is Do.EXHAUSTED
    elif decision.do is Do.REST:
        assert len(reached) == 1
    if 9 in reachable:
        assert reached
