"""Names and data that the tests of plans share."""

from __future__ import annotations

from typing import Any

from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import Cause, Confidence

SHOP = "shop"
ENTRY = "POST /checkout"


def cause(**changes: Any) -> Cause:
    """A cause: orders raises in its own logic, on version 2.41."""
    fields: dict[str, Any] = {
        "rank": 1,
        "app_id": f"{SHOP}/orders",
        "operation": "POST /orders",
        "exception_class": "internal",
        "error": "ZeroDivisionError",
        "coordinate": "abcd#efgh",
        "peer": "",
        "share": 0.96,
        "failing": 400,
        "baseline": 2.0,
        "first_at": None,
        "confidence": Confidence.VERY_LIKELY,
        "in_cause_set": True,
        "sentence": Text("x.sentence"),
        "versions": ("2.41",),
    }
    return Cause(**{**fields, **changes})


def answer_json(**changes: Any) -> dict[str, Any]:
    """A stored answer with one cause."""
    import msgspec

    from hemostat.diagnosis.rules.answer import Answer, Verdict
    from tests.plans.conftest import START

    answer = Answer(environment="demo", at=START, onset_at=START, verdict=Verdict.NAMED, causes=(cause(**changes),))
    stored: dict[str, Any] = msgspec.to_builtins(answer)
    return stored


def command_plan(*steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A plan of command steps that comes up for anything in orders."""
    return {
        "slug": "restart-orders",
        "name": "Restart orders",
        "verb": "restart",
        "steps": [{"kind": "command", **step} for step in steps],
        "verification": {"window_s": 20, "min_requests": 20},
        "comes_up_for": [{"app_id": f"{SHOP}/orders"}],
        **changes,
    }
