"""What is said beside the causes: what was set aside as noise and why, and what would be needed to know
more.
"""

from __future__ import annotations

from hemostat.base.texts import Text
from hemostat.diagnosis.rules.answer import Noise, Verdict
from hemostat.diagnosis.rules.cases import Cases
from hemostat.diagnosis.rules.rank import MIN_EXCESS
from hemostat.intake.rules.learned import Node
from hemostat.intake.rules.walk import Leaf

MAX_NOISE = 20
CHANCE = 1.5
"""What is this much more than usual is called chance, what is less usual."""
LOST_WORTH_TELLING = 0.05


def noise_reason(cases: Cases, leaf: Leaf) -> Text:
    """Why a leaf that is no cause is noise."""
    target = cases.explained_by(leaf)
    if target is not None:
        return Text("diagnosis.noise.consequence", {"service": target.app_id})
    case = cases.of(leaf)
    if case.failing - case.usual >= 2 and case.failing > CHANCE * case.usual:
        return Text("diagnosis.noise.chance")
    return Text("diagnosis.noise.usual")


def noise(cases: Cases) -> list[Noise]:
    """What failed since the onset and is no cause, the most frequent first."""
    found = [
        Noise(c.leaf.node.app_id, c.leaf.node.operation, c.leaf.label, round(c.failing), noise_reason(cases, c.leaf))
        for c in cases
        if c.leaf not in cases.named and round(c.failing)
    ]
    reason = Text("diagnosis.noise.tolerated")
    found += [Noise(node.app_id, node.operation, label, n, reason) for (node, label), n in _tolerated(cases).items()]
    return sorted(found, key=lambda n: (-n.count, n.app_id, n.operation, n.error))[:MAX_NOISE]


def _tolerated(cases: Cases) -> dict[tuple[Node, str], int]:
    """Failing calls since the onset of kinds that made no request fail."""
    split = cases.finding.split
    decided = {c.leaf for c in cases}
    found: dict[tuple[Node, str], int] = {}
    for stretch in cases.evidence.stretches[split.at if split else 0 :]:
        for node, count in stretch.tally.nodes():
            for (kind, label), n in count.failures.items():
                if n > 0 and Leaf(node, kind, label) not in decided:
                    found[(node, label)] = found.get((node, label), 0) + n
    return found


def missing(cases: Cases, environment: str, window_s: float) -> list[Text]:
    """What would be needed to know more; `window_s` is how far back was asked."""
    evidence, finding = cases.evidence, cases.finding
    said = []
    if not sum(evidence.requests):
        said.append(Text("diagnosis.missing.traces", {"environment": environment, "window": window_s}))
    elif finding.verdict is Verdict.UNKNOWN:
        said.append(_why_nothing(cases))
    lost = evidence.lost_share(finding.split) if finding.split else 0.0
    if lost > LOST_WORTH_TELLING:
        said.append(Text("diagnosis.missing.telemetry", {"share": lost}))
    left_out = sum(s.tally.remainder.sampled_out for s in evidence.stretches)
    if left_out:
        said.append(Text("diagnosis.missing.sampled", {"spans": left_out}))
    said += [
        Text("diagnosis.missing.silent_service", {"service": named.app_id})
        for named in finding.named
        if not cases.records(named.app_id) and evidence.sees_through(named.main.leaf.node)
    ]
    return said


def _why_nothing(cases: Cases) -> Text:
    stretches = cases.evidence.stretches
    known = stretches[-1].start + stretches[-1].seconds - stretches[0].start
    if not any(c.traced for t in cases.evidence.tracks for c in t.counts.values()):
        return Text("diagnosis.missing.failures")
    if len(stretches) < 4 or known < 60:
        return Text("diagnosis.missing.baseline", {"window": known})
    if 0 < cases.finding.excess < MIN_EXCESS:
        params = {"failing": cases.finding.excess, "needed": MIN_EXCESS}
        return Text("diagnosis.missing.few", params)
    return Text("diagnosis.missing.rise")
