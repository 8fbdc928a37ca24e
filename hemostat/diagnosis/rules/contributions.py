"""What each of the four rules has to say for a cause: time, depth, count and noise, as scores from 0 to 1
with a reason.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import Contribution
from hemostat.diagnosis.rules.cases import Case, Cases
from hemostat.diagnosis.rules.evidence import sums
from hemostat.diagnosis.rules.rank import Named
from hemostat.intake.rules.walk import Leaf

LATE_S = 60.0
"""What fails so long after the first gets nothing for time."""
ROSE = 0.8
"""For time, where it also failed before, only less."""
DEEPEST = 0.95
"""Share of the requests passing a cause that must end there for it to be called the deepest."""


def contributions(cases: Cases, named: Named, *, first_ns: int) -> tuple[Contribution, ...]:
    """All four, in the order in which they are shown; `first_ns` is the first failure of any cause."""
    case = cases.of(named.main.leaf)
    together = [cases.of(c.leaf) for c in named.leaves]
    failing = sum(c.failing for c in together)
    usual = sum(c.usual for c in together)
    return (
        _time(case, named.main.before, first_ns),
        _depth(cases, named, case),
        _count(named, failing, usual),
        _noise(cases, named, failing, usual),
    )


def _time(case: Case, before: int, first_ns: int) -> Contribution:
    """Who failed first."""
    at = datetime.fromtimestamp(case.first_ns / 1e9, UTC).isoformat()
    later = (case.first_ns - first_ns) / 1e9
    if later > 0:
        score = round(max(0.0, 1.0 - later / LATE_S), 3)
        return Contribution("time", score, Text("diagnosis.time.later", {"after": later}))
    if before:
        return Contribution("time", ROSE, Text("diagnosis.time.rose", {"at": at}))
    return Contribution("time", 1.0, Text("diagnosis.time.first", {"at": at}))


def _depth(cases: Cases, named: Named, case: Case) -> Contribution:
    """The deepest failing node explains its callers: of the failing requests that pass it, those that end
    there.
    """
    ended, through = cases.ended_of_through(frozenset(c.leaf for c in named.leaves), case.leaf.node)
    score = round(min(1.0, ended / through), 3) if through else 1.0
    if score < DEEPEST:
        params = {"through": round(through), "ended": round(ended)}
        return Contribution("depth", score, Text("diagnosis.depth.partly", params))
    alone = case.caller == case.leaf.node.app_id
    return Contribution("depth", score, Text(f"diagnosis.depth.{'entry' if alone else 'deepest'}"))


def _count(named: Named, failing: float, usual: float) -> Contribution:
    """How much of the failure it accounts for, against its own baseline."""
    params = {"failing": round(failing), "baseline": round(usual, 1), "share": named.share}
    return Contribution("count", round(named.share, 3), Text("diagnosis.count", params))


def _noise(cases: Cases, named: Named, failing: float, usual: float) -> Contribution:
    """What was taken out: the usual failures, and attempts that were repeated or done without."""
    score = round(max(0.0, 1.0 - usual / failing), 3) if failing else 0.0
    if usual >= 0.5:
        params = {"baseline": usual, "failing": failing}
        return Contribution("noise", score, Text("diagnosis.noise.some", params))
    absorbed = sum(_absorbed(cases, c.leaf) for c in named.leaves)
    if absorbed:
        return Contribution("noise", score, Text("diagnosis.noise.absorbed", {"absorbed": absorbed}))
    return Contribution("noise", score, Text("diagnosis.noise.none"))


def _absorbed(cases: Cases, leaf: Leaf) -> int:
    """Failed attempts since the onset that decided no request."""
    split = cases.finding.split
    if split is None:
        return 0
    attempts = cases.evidence.failures(leaf, split)[1]
    return max(0, attempts - sums(cases.evidence.series.get(leaf, {}), split)[1])
