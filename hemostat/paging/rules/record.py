"""Which events tell of a decision or an outcome: codes and parameters for the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hemostat.base.texts import Text
from hemostat.channels.rules import Outcome
from hemostat.paging.rules.deliveries import Verdict
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.rules.steps import Decision, Do, Reason, Skip

STATE_AFTER: Mapping[Do, PageState] = {
    Do.PAGE: PageState.RINGING,
    Do.ANSWERED: PageState.ACKNOWLEDGED,
    Do.STOP: PageState.STOPPED,
    Do.EXHAUSTED: PageState.EXHAUSTED,
}
"""The state of a page after a decision; others leave it as it is."""


@dataclass(frozen=True)
class Happened:
    """An event to record about the incident, and about people it names."""

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    people: tuple[tuple[int, str], ...] = ()


def of_decision(decision: Decision, *, state: PageState, reason: str, tiers: int, severity: int) -> list[Happened]:
    """The events of a decision about a page that was in `state` for `reason`; nothing when nothing changed."""
    after = STATE_AFTER.get(decision.do, state)
    if decision.do is not Do.PAGE and after is state and decision.reason == reason:
        return []
    happened = [_skipped(skip) for skip in decision.skipped]
    why = Text(f"paging.reason_{decision.reason}").as_json()
    match decision.do:
        case Do.PAGE:
            happened.append(
                Happened(
                    "paging.fallback_reached" if decision.at_fallback else "paging.tier_reached",
                    {
                        "which": _which(decision, tiers).as_json(),
                        "tier": decision.tier + 1,
                        "tiers": tiers,
                        "pass_no": decision.pass_no + 1,
                        "severity": severity,
                        "people": ", ".join(r.person.name for r in decision.recipients),
                        "reason": why,
                    },
                    tuple((r.person.id, r.person.name) for r in decision.recipients),
                )
            )
        case Do.EXHAUSTED:
            happened.append(Happened("paging.exhausted", {"reason": why}))
        case Do.ANSWERED | Do.STOP:
            happened.append(Happened("paging.stopped", {"reason": why}))
        case Do.REST:
            happened.append(Happened("paging.rests", {"reason": why}))
        case Do.WAIT if decision.reason in {Reason.BACKLOG, Reason.MITIGATED}:
            happened.append(Happened("paging.waits", {"reason": why}))
        case Do.WAIT:
            pass
    return happened


def _which(decision: Decision, tiers: int) -> Text:
    """The tier, or the tiers, that a decision pages."""
    reached = [recipient.tier + 1 for recipient in decision.recipients]
    first, last = min(reached), max(reached)
    code = "paging.which_tier" if first == last else "paging.which_tiers"
    return Text(code, {"first": first, "last": last, "tiers": tiers})


def _skipped(skip: Skip) -> Happened:
    who = Text("paging.who", {"who": skip.label}) if skip.label else Text("paging.whole_tier")
    where = Text("paging.at_fallback") if skip.tier < 0 else Text("paging.at_tier", {"tier": skip.tier + 1})
    return Happened(
        "paging.nobody",
        {
            "where": where.as_json(),
            "who": who.as_json(),
            "reason": Text(f"paging.skip_{skip.reason}").as_json(),
        },
    )


def of_verdict(
    verdict: Verdict, outcome: Outcome, *, way: str, person: tuple[int, str], tries: int, first_try: bool
) -> list[Happened]:
    """The events of an outcome: every acceptance and every failure for good, and the first trouble of each way."""
    params = {"way": way, "name": person[1], "answer": outcome.answer, "tries": tries}
    if verdict.state is DeliveryState.ACCEPTED:
        return [Happened("paging.delivered", params, (person,))]
    if verdict.state is DeliveryState.FAILED:
        return [Happened("paging.delivery_failed", params, (person,))]
    return [Happened("paging.delivery_delayed", params, (person,))] if first_try else []
