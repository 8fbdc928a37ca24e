"""Has it helped? Judging the KPI after the steps, early where the evidence is beyond doubt, and never from silence.

The share of good requests is looked at over the last part of the window (half of it, at least 10 s), from whole
10-second buckets that begin after the steps were done. Bounds are Wilson score intervals (Wilson 1927) at 99 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from hemostat.base.texts import Text
from hemostat.plans.rules.plan import Verification

BUCKET_S = 10
"""Width of the buckets in which requests are counted."""
GRACE_S = 10.0
"""How long after the window is waited for telemetry that is still on its way, at least."""
ALERT_WAIT_S = 300.0
"""How long an alert is given to resolve where an incident has no KPI: senders repeat and resolve in minutes."""
EARLIEST_NO_S = 20.0
"""No plan is given up earlier than this, however bad it looks: what was restarted must come up first."""
Z99 = 2.5758


class Outcome(Enum):
    """What can be said by now."""

    HELPED = "helped"
    NOT_YET = "not_yet"
    DID_NOT_HELP = "did_not_help"


@dataclass(frozen=True)
class Evidence:
    """What was seen after the steps: the KPI over the last part of the window, or the incident's alerts."""

    share: float | None = None
    """Share of good requests; None when there were none."""
    requests: int = 0
    alerts_firing: int | None = None
    """Alerts of the incident that still fire; None where a KPI decides."""


@dataclass(frozen=True)
class Judgement:
    """An outcome with its reason."""

    outcome: Outcome
    reason: Text


def wilson(share: float, requests: int, z: float = Z99) -> tuple[float, float]:
    """The interval in which the true share lies, given what was counted."""
    if requests <= 0:
        return 0.0, 1.0
    square = z * z
    middle = (share + square / (2 * requests)) / (1 + square / requests)
    half = z / (1 + square / requests) * math.sqrt(share * (1 - share) / requests + square / (4 * requests**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def goal_of(verification: Verification, baseline: float | None) -> float:
    """The share to reach: the plan's own, else back to the baseline less the tolerance; 99 % where neither is known."""
    if verification.goal is not None:
        return verification.goal
    return max(0.0, baseline - verification.tolerance) if baseline is not None else 0.99


def give_up_after(verification: Verification, *, by_alerts: bool = False) -> float:
    """Seconds after the steps at which the plan has not helped for good."""
    wait = verification.window_s + max(GRACE_S, verification.window_s / 4)
    return max(wait, ALERT_WAIT_S) if by_alerts else wait


def looked_at(verification: Verification, steps_done_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """From when until when the KPI counts at `now`: the last part of the window, in whole buckets after the steps."""
    tail_s = max(float(BUCKET_S), verification.window_s / 2)
    first = math.ceil(steps_done_at.timestamp() / BUCKET_S) * BUCKET_S
    tail = math.floor((now.timestamp() - tail_s) / BUCKET_S) * BUCKET_S
    return datetime.fromtimestamp(max(first, tail), UTC), now


def look_again_after(verification: Verification) -> timedelta:
    """How often the KPI is looked at."""
    return timedelta(seconds=1 if verification.window_s <= 60 else 3)


def judge(
    verification: Verification,
    *,
    baseline: float | None,
    before: float | None,
    steps_done_at: datetime,
    now: datetime,
    evidence: Evidence,
) -> Judgement:
    """Whether the plan helped, by what was seen until `now`.

    At the end of the window the share decides. Earlier, from half the window on, it helped only if even the lower
    bound of the share reaches the goal; and it did not only if even the upper bound is not half-way from where the
    share was `before` to the goal. Without enough requests it is never "helped".
    """
    since_s = (now - steps_done_at).total_seconds()
    by_alerts = evidence.alerts_firing is not None
    over = since_s >= give_up_after(verification, by_alerts=by_alerts)
    if evidence.alerts_firing is not None:
        return _by_alerts(evidence.alerts_firing, since_s, over)

    goal = goal_of(verification, baseline)
    share, requests = evidence.share, evidence.requests
    told = {"goal": goal, "requests": requests, "after_s": since_s, "wanted": verification.min_requests}
    if share is None or requests < verification.min_requests:
        reason = Text("plans.no_requests" if not requests else "plans.too_few_requests", told)
        return Judgement(Outcome.DID_NOT_HELP if over else Outcome.NOT_YET, reason)

    told["share"] = share
    low, high = wilson(share, requests)
    half_over = since_s >= verification.window_s / 2
    if share >= goal and (since_s >= verification.window_s or (half_over and low >= goal)):
        return Judgement(Outcome.HELPED, Text("plans.kpi_is_back", told))
    half_way = None if before is None else before + (goal - before) / 2
    hopeless = half_over and since_s >= EARLIEST_NO_S and half_way is not None and high < half_way
    if over or hopeless:
        return Judgement(Outcome.DID_NOT_HELP, Text("plans.kpi_is_not_back", told))
    return Judgement(Outcome.NOT_YET, Text("plans.kpi_is_watched", told))


def _by_alerts(firing: int, since_s: float, over: bool) -> Judgement:
    told = {"alerts": firing, "after_s": since_s}
    if not firing:
        return Judgement(Outcome.HELPED, Text("plans.alerts_resolved", told))
    outcome = Outcome.DID_NOT_HELP if over else Outcome.NOT_YET
    return Judgement(outcome, Text("plans.alerts_still_fire", told))
