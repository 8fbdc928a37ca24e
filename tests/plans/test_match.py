"""Which plan comes up for which cause, and which stands first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.plans.rules.match import (
    Candidate,
    Record,
    Symptom,
    field_specificity,
    rank,
    specificity,
    symptom_of,
)
from hemostat.plans.rules.plan import Association
from hemostat.plans.rules.states import RunState, Verb
from tests.plans.helpers import cause


def symptom(after_change: bool = False, **changes: Any) -> Symptom:
    return symptom_of(cause(**changes), after_change=after_change)


def candidate(plan_id: int, verb: Verb = Verb.RESTART, *, record: Record | None = None, **changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "associations": (Association(app_id="shop/orders"),),
        "record": record or Record(),
        "can_be_undone": False,
        **changes,
    }
    return Candidate(plan_id, verb, **fields)


def order(candidates: list[Candidate], *symptoms: Symptom) -> list[int]:
    return [ranked.plan_id for ranked in rank(candidates, symptoms or [symptom()])]


def test_patterns_match_whole_names_in_any_case() -> None:
    assert field_specificity("shop/*", "shop/orders") is not None
    assert field_specificity("*orders", "shop/ORDERS") is not None
    assert field_specificity("orders", "shop/orders") is None
    assert field_specificity("shop/order.", "shop/orders") is None


def test_a_more_exact_pattern_says_more() -> None:
    grades = [field_specificity(p, "ConnectionRefusedError") for p in ("*", "*Error", "Connection*Error")]
    exact = field_specificity("ConnectionRefusedError", "ConnectionRefusedError")
    assert grades == sorted(grades, key=float)  # type: ignore[arg-type]
    assert exact == 1.0
    assert exact > grades[-1]  # type: ignore[operator]


def test_an_exact_coordinate_matches_only_itself_and_beats_every_pattern() -> None:
    by_coordinate = candidate(1, associations=(Association(coordinate="abcd#efgh"),))
    by_pattern = candidate(2, associations=(Association(app_id="shop/*", error="Zero*"),))
    assert order([by_pattern, by_coordinate]) == [1, 2]
    assert order([by_coordinate], symptom(coordinate="abcd#zzzz")) == []


def test_a_plan_for_the_dependency_comes_up_when_it_does_not_answer() -> None:
    association = Association(app_id="orders-db")
    assert specificity(association, symptom(peer="orders-db", exception_class="dependency")) is not None
    assert specificity(association, symptom()) is None


def test_a_plan_without_a_matching_association_is_not_offered() -> None:
    assert order([candidate(1, associations=()), candidate(2, associations=(Association(app_id="shop/mail"),))]) == []


@pytest.mark.parametrize(
    ("exception_class", "after_change", "first"),
    [
        ("internal", False, Verb.ROLLBACK),
        ("dependency", False, Verb.RESTART),
        ("dependency", True, Verb.ROLLBACK),
        ("resource", False, Verb.RESTART),
        ("slow", False, Verb.ISOLATE),
    ],
)
def test_the_verb_that_fits_stands_first_and_downgrade_last(
    exception_class: str, after_change: bool, first: Verb
) -> None:
    candidates = [candidate(number, verb) for number, verb in enumerate(Verb) if verb is not Verb.OTHER]
    shown = order(candidates, symptom(after_change, exception_class=exception_class))
    verbs = [list(Verb)[number] for number in shown]
    assert verbs[0] is first
    assert verbs[-1] is Verb.DOWNGRADE


def test_what_worked_before_stands_first_and_one_lucky_run_is_no_proof() -> None:
    assert order([candidate(1, record=Record(5, 9)), candidate(2, record=Record(7, 8))]) == [2, 1]
    assert order([candidate(1, record=Record(1, 1)), candidate(2, record=Record(40, 42))]) == [2, 1]


def test_what_was_tried_without_helping_comes_last_whatever_its_score() -> None:
    best = candidate(1, Verb.ROLLBACK, record=Record(20, 20), tried=RunState.DID_NOT_HELP)
    other = candidate(2, Verb.DOWNGRADE, associations=(Association(app_id="*"),), record=Record(0, 5))
    assert order([best, other]) == [2, 1]
    assert order([candidate(1, Verb.ROLLBACK, tried=RunState.HELPED), other]) == [1, 2]


def test_a_plan_for_the_first_cause_stands_before_one_for_the_second() -> None:
    second = symptom(rank=2, app_id="shop/payment")
    plans = [candidate(1, associations=(Association(app_id="shop/payment"),)), candidate(2)]
    assert order(plans, symptom(), second) == [2, 1]


def test_the_reasons_are_kept_weightiest_first() -> None:
    (ranked,) = rank(
        [candidate(1, Verb.ROLLBACK, record=Record(7, 8), can_be_undone=True)], [symptom(after_change=True)]
    )
    codes = [part.reason.code for part in ranked.parts]
    assert set(codes) == {"plans.matches", "plans.fits_after_change", "plans.worked", "plans.can_be_undone"}
    scores = [part.score for part in ranked.parts]
    assert scores == sorted(scores, reverse=True)
    assert ranked.score == pytest.approx(sum(scores))


@given(st.text(max_size=30), st.text(max_size=30))
def test_specificity_stays_between_nothing_and_all(pattern: str, value: str) -> None:
    found = field_specificity(pattern, value)
    assert found is None or 0 <= found <= 1
