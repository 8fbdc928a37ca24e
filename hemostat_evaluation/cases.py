"""Generated cases: a world, its faults, the spans in order of arrival, and the truth.

A case is *decidable*, and so kept, when each cause made at least ten recorded requests fail at an entry, some caller of
what broke records spans, and no two causes are one service. These rules are fixed here and applied before any diagnosis
is run.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hemostat_evaluation import faults as fault_rules
from hemostat_evaluation import world as worlds
from hemostat_evaluation.faults import Fault, FaultKind
from hemostat_evaluation.requests import Edge, Runner, Span, arrivals
from hemostat_evaluation.world import Service, Shape

EPOCH_S = 1_760_000_000
MIN_FAILURES = 10
EXPORT_EVERY_S = 5.0


@dataclass(frozen=True)
class Truth:
    """What is wrong."""

    service: str
    address: str
    operation: str | None
    """None: any operation of the service is right"""
    kind: FaultKind
    failures: int


@dataclass(frozen=True)
class Case:
    """One case."""

    seed: int
    services: int
    hard: bool
    sampling: float
    baseline_s: float
    fault_s: float
    onset_s: float
    truths: tuple[Truth, ...]
    edges: frozenset[Edge]
    rare_edges: frozenset[Edge]
    """seen in one or two failing requests: neither right nor wrong"""
    unseen: frozenset[str]
    """services that record nothing"""
    batches: tuple[tuple[float, tuple[Span, ...]], ...]
    """(seconds since the start when it arrives, its spans), in order"""


@dataclass(frozen=True)
class Plan:
    """How cases are made."""

    shape: Shape = field(default_factory=Shape)
    causes: tuple[int, ...] = (1, 1, 1, 1, 1, 1, 2, 2, 3)
    rate: float = 12.0
    baseline_s: float = 120.0
    fault_s: float = 60.0
    lost_batches: float = 0.015
    healthy: bool = False
    """no fault at all"""


def case(seed: int, plan: Plan = Plan()) -> Case | None:
    """The case of a seed, None when it is not decidable."""
    rng = random.Random(seed)
    world = worlds.draw(rng, plan.shape)
    onset = plan.baseline_s + rng.uniform(0, 10)
    faults: list[Fault] = []
    if not plan.healthy:
        taken: set[Service] = set()
        for _ in range(rng.choice(plan.causes)):
            fault = fault_rules.draw(rng, world, onset, taken, plan.rate * plan.fault_s)
            if fault is None:
                break
            faults.append(fault)
            taken.add(fault.service)
        if not faults:
            return None
    end = onset + plan.fault_s
    runner = Runner(world, faults, rng)
    load = rng.uniform(0.6, 1.6) if world.hard else 1.0
    spans: list[Span] = []
    failures: Counter[Fault] = Counter()
    edges: Counter[Edge] = Counter()
    for at in arrivals(rng, plan.rate * max(1.0, load), end):
        if (at / 1000 >= onset and rng.random() > load / max(1.0, load)) or (
            at / 1000 < onset and rng.random() > 1 / max(1.0, load)
        ):
            continue
        outcome, sent = runner.request(rng.choice(world.entries), at)
        spans.extend(sent)
        if sent and outcome.failed and outcome.faults:
            failures.update(outcome.faults)
            edges.update(outcome.edges)
    if any(failures[f] < MIN_FAILURES for f in faults):
        return None
    return Case(
        seed=seed,
        services=len(world.services),
        hard=world.hard,
        sampling=world.sampling,
        baseline_s=plan.baseline_s,
        fault_s=plan.fault_s,
        onset_s=onset,
        truths=tuple(
            Truth(f.service.name, f.service.address, f.operation.name if f.operation else None, f.kind, failures[f])
            for f in faults
        ),
        edges=frozenset(e for e, n in edges.items() if n >= 3),
        rare_edges=frozenset(e for e, n in edges.items() if n < 3),
        unseen=frozenset(s.name for s in world.services if not s.records),
        batches=_batches(rng, spans, plan.lost_batches if world.hard else 0.0),
    )


def _batches(rng: random.Random, spans: list[Span], lost: float) -> tuple[tuple[float, tuple[Span, ...]], ...]:
    """Each host exports what has ended, every few seconds; some batches are lost."""
    phase: dict[str, float] = {}
    found: dict[tuple[str, int], list[Span]] = {}
    for span in spans:
        offset = phase.setdefault(span.host, rng.uniform(0, EXPORT_EVERY_S))
        found.setdefault((span.host, int((span.true_end_ns / 1e9 + offset) // EXPORT_EVERY_S)), []).append(span)
    result = []
    for (host, index), batch in found.items():
        arrives = (index + 1) * EXPORT_EVERY_S - phase[host] + rng.uniform(0, 1)
        if rng.random() >= lost:
            result.append((arrives, tuple(batch)))
    return tuple(sorted(result, key=lambda pair: pair[0]))
