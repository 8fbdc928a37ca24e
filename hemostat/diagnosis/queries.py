"""Reading answers."""

from __future__ import annotations

from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules import stored
from hemostat.diagnosis.rules.answer import Answer


def answer(diagnosis_id: int) -> Answer:
    """The answer of one diagnosis; raises `Diagnosis.DoesNotExist`."""
    return stored.from_json(Diagnosis.objects.get(pk=diagnosis_id).answer)


def latest(environment: str) -> Answer | None:
    """The newest answer for an environment, None when nothing was asked yet."""
    row = Diagnosis.objects.filter(environment=environment).order_by("-at", "-id").first()
    return stored.from_json(row.answer) if row else None
