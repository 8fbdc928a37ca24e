"""The diagnosis as data: the tree as rows with their depth, the causes with the contributions of each rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from hemostat.diagnosis.rules.answer import Answer, Cause, TreeNode

RULE_NAMES = {
    "time": _("Time"),
    "depth": _("Depth"),
    "count": _("Count"),
    "noise": _("Noise taken out"),
}
"""The four rules, in the order in which they are read."""


@dataclass(frozen=True)
class TreeRow:
    """A node of the exception tree as a row; `depth` 0 is where requests come in."""

    node: TreeNode
    depth: int

    @property
    def tone(self) -> str:
        """cause, noise or through."""
        if self.node.cause_rank is not None:
            return "cause"
        return "noise" if self.node.noise is not None else "through"


@dataclass(frozen=True)
class RuleRow:
    """What one rule gave the first cause, beside what it gave the second."""

    name: str
    score: float
    next_best: float | None
    reason: object


@dataclass(frozen=True)
class DiagnosisPage:
    """Everything that the page of a diagnosis shows."""

    answer: Answer
    first: Cause | None
    rules: tuple[RuleRow, ...]
    tree: tuple[TreeRow, ...]


def rows(nodes: tuple[TreeNode, ...], depth: int = 0) -> Iterator[TreeRow]:
    """The tree in reading order: each node before its callees."""
    for node in nodes:
        yield TreeRow(node, depth)
        yield from rows(node.children, depth + 1)


def diagnosis_page(answer: Answer) -> DiagnosisPage:
    """Arrange an answer for reading."""
    first = answer.causes[0] if answer.causes else None
    second = answer.causes[1] if len(answer.causes) > 1 else None
    others = {c.rule: c.score for c in second.contributions} if second else {}
    given = {c.rule: c for c in first.contributions} if first else {}
    ordered = [*(r for r in RULE_NAMES if r in given), *(r for r in given if r not in RULE_NAMES)]
    return DiagnosisPage(
        answer=answer,
        first=first,
        rules=tuple(
            RuleRow(str(RULE_NAMES.get(rule, rule)), given[rule].score, others.get(rule), given[rule].reason)
            for rule in ordered
        ),
        tree=tuple(rows(answer.tree)),
    )
