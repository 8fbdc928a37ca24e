"""Asking the question and keeping the answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from hemostat.coordinates import actions as coordinates
from hemostat.detection import queries as detection
from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules import stored
from hemostat.diagnosis.rules.answer import Answer
from hemostat.diagnosis.rules.explain import Explainer
from hemostat.diagnosis.rules.rank import rank
from hemostat.diagnosis.window import WINDOW_S, Window, window_begin
from hemostat.events import actions as events
from hemostat.events.rules import SYSTEM, Ref

FRESH = timedelta(seconds=10)
"""An answer that says the same as one of the last ten seconds is not stored again."""
MAX_TOP_COORDINATE = 80

_windows: dict[str, Window] = {}


def diagnose(
    environment: str, *, now: datetime, since: datetime | None = None, window: Window | None = None
) -> Diagnosis:
    """Ask what explains the failing requests of an environment at `now`, and store the answer.

    `since` is when the failure began, where detection or an incident knows it: the half hour before it is the
    baseline, and the onset is looked for within a minute of it. `window` keeps the counters between questions
    (default: the process's own). An answer that says nothing new within ten seconds is not stored again: then
    the row of the former one is returned.
    """
    window = window or _windows.setdefault(environment, Window(environment))
    over = detection.over_between(environment, window_begin(now, since), now)
    stretches = window.stretches(now, since=since, excluded=[span for _, _, span in over])
    evidence, finding = rank(stretches, since=since.timestamp() if since else None)
    explainer = Explainer(evidence, finding, environment=environment, at=now)
    answer = explainer.answer(WINDOW_S)
    with transaction.atomic():
        before = Diagnosis.objects.filter(environment=environment).order_by("-at", "-id").first()
        same = before is not None and _says_the_same(before, answer)
        if before is not None and same and now - before.at < FRESH:
            return before
        for place in explainer.places():
            coordinates.register(place.path, place.exception)
        row = Diagnosis.objects.create(
            environment=environment,
            at=now,
            onset_at=answer.onset_at,
            verdict=answer.verdict,
            top_coordinate=answer.causes[0].coordinate[:MAX_TOP_COORDINATE] if answer.causes else "",
            answer=stored.to_json(answer),
        )
        if not same:
            _record(row, answer)
    return row


def _says_the_same(row: Diagnosis, answer: Answer) -> bool:
    """Whether a reader would see the same causes as before."""
    former = stored.from_json(row.answer)
    return (former.verdict, _set(former)) == (answer.verdict, _set(answer))


def _set(answer: Answer) -> list[tuple[str, str, str]]:
    return [(c.coordinate, c.sentence.code, c.confidence) for c in answer.causes if c.in_cause_set]


def _record(row: Diagnosis, answer: Answer) -> None:
    causes = [c for c in answer.causes if c.in_cause_set]
    subjects = [Ref("diagnosis", str(row.pk), row.environment)]
    subjects += [Ref("service", c.app_id[:80], c.app_id) for c in causes]
    events.record(
        "diagnosis.answered",
        actor=SYSTEM,
        subjects=subjects,
        params={
            "environment": row.environment,
            "verdict": answer.verdict,
            "onset": answer.onset_at.isoformat() if answer.onset_at else None,
            "causes": [c.sentence.as_json() for c in causes],
            "services": ", ".join(c.app_id for c in causes),
        },
    )
