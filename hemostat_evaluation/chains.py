"""Generated cases through the production code: OTLP decode, attribution, ranking; scored strictly.

`python -m hemostat_evaluation.chains --first 1000 --cases 50` prints the table. The onset is unknown to the method;
every entry of an answer counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hemostat.diagnosis.rules.evidence import Stretch
from hemostat.diagnosis.rules.rank import Finding, rank
from hemostat.diagnosis.rules.tree import path_edges
from hemostat.intake.rules.attribution import BUCKET_S, Attribution, Counter
from hemostat.intake.rules.tally import Tally
from hemostat.intake.sources.otlp import Reader, user_hasher
from hemostat_evaluation import otlp
from hemostat_evaluation.cases import EPOCH_S, Case, Plan, case
from hemostat_evaluation.world import Shape


def stretches(given: Case, until_s: float | None = None) -> list[Stretch]:
    """What intake would have stored of the case by `until_s` (default: after everything was counted)."""
    reader, attribution = Reader(user_hasher(b"evaluation")), Attribution()
    tallies: dict[int, dict[str, Counter]] = {}
    clock = 0.0

    def keep(counters: list[Counter]) -> None:
        for counter in counters:
            tallies.setdefault(counter.bucket_s, {})[counter.key] = counter

    for arrives, spans in given.batches:
        if until_s is not None and arrives > until_s:
            break
        while clock + 1 <= arrives:
            clock += 1
            keep(attribution.take(EPOCH_S + clock))
        message = otlp.request(spans, given.sampling)
        read = reader.read(message, environment="test", now_ns=int((EPOCH_S + arrives) * 1e9))
        attribution.add(read.spans, EPOCH_S + arrives)
    if until_s is None:
        keep(attribution.flush(EPOCH_S + clock + 60))
    else:
        keep(attribution.take(EPOCH_S + until_s))
    found = []
    for start, counters in sorted(tallies.items()):
        tally = Tally()
        for counter in counters.values():
            tally.absorb(counter.key, counter.payload)
        found.append(Stretch(start, BUCKET_S, tally))
    return found


@dataclass(frozen=True)
class Score:
    """How one answer compares with the truth."""

    first: bool
    operation: bool
    exact: bool
    path_right: int
    path_named: int
    path_true: int
    said: tuple[str, ...]


def score(given: Case, window: list[Stretch]) -> tuple[Score, Finding]:
    """Ask, and compare strictly. A service is also right by its bare address: nothing else of it is known."""
    evidence, finding = rank(window)
    names = {t.address: t.service for t in given.truths}
    named = [names.get(n.app_id, n.app_id) for n in finding.named]
    truths = {t.service: t for t in given.truths}
    first = bool(named) and named[0] in truths
    operation = False
    if first:
        truth = truths[named[0]]
        said = finding.named[0].main.leaf.node.operation
        operation = truth.operation is None or said.split(" ")[0] == truth.operation or said == truth.operation
    edges = {(names.get(a, a), names.get(b, b)) for (a, b), _ in path_edges(evidence, finding)}
    neutral = given.rare_edges | {e for e in edges | given.edges if set(e) <= given.unseen}
    true = given.edges - neutral
    edges -= neutral
    return (
        Score(first, operation, set(named) == set(truths), len(edges & true), len(edges), len(true), tuple(named)),
        finding,
    )


def cases(first: int, count: int, plan: Plan) -> Iterator[Case]:
    """The first `count` decidable cases from seed `first` on."""
    seed = first
    while count:
        found = case(seed, plan)
        seed += 1
        if found is not None:
            count -= 1
            yield found


def main() -> int:
    """Print a line for each case that was not answered wholly right, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--services", type=int, nargs=2, default=(5, 60))
    parser.add_argument("--hard", type=float, default=0.5, help="share of hard cases")
    parser.add_argument("--healthy", action="store_true", help="no fault at all: nothing should be named")
    chosen = parser.parse_args()
    plan = Plan(shape=Shape(services=tuple(chosen.services), hard=chosen.hard), healthy=chosen.healthy)
    scores: list[Score] = []
    spans, took = 0, 0.0
    for given in cases(chosen.first, chosen.cases, plan):
        began = time.process_time()
        window = stretches(given)
        result, finding = score(given, window)
        took += time.process_time() - began
        spans += sum(len(batch) for _, batch in given.batches)
        scores.append(result)
        if not (result.first and result.operation and result.exact) and not chosen.healthy:
            truth = ", ".join(f"{t.kind.value} {t.service} {t.operation or '*'} ({t.failures})" for t in given.truths)
            leaf = finding.named[0].main.leaf if finding.named else None
            print(
                f"seed {given.seed} hard={given.hard} n={given.services}: {truth} | said {result.said} {leaf}",
                flush=True,
            )
        elif chosen.healthy and result.said:
            print(f"seed {given.seed}: named {result.said}", flush=True)
    n = len(scores)
    if chosen.healthy:
        print(f"{n} fault-free cases: a cause was named in {sum(bool(s.said) for s in scores)}")
        return 0
    right, named, true = (sum(getattr(s, f"path_{x}") for s in scores) for x in ("right", "named", "true"))
    precision, recall = right / max(named, 1), right / max(true, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(
        f"{n} cases: top-1 {share(s.first for s in scores)} · operation {share(s.operation for s in scores)}"
        f" · exact set {share(s.exact for s in scores)} · path P/R/F1 {precision:.1%} {recall:.1%} {f1:.1%}"
    )
    print(f"{spans} spans, {took / spans * 1e6:.1f} µs of CPU a span (encoding them included), {took / n:.2f} s a case")
    return 0


def share(values: Iterator[bool]) -> str:
    """A share as a percentage."""
    counted = list(values)
    return f"{sum(counted) / len(counted):.1%}"


if __name__ == "__main__":
    sys.exit(main())
