"""Asking the question and keeping the answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from hemostat.coordinates import actions as coordinates
from hemostat.detection import queries as detection
from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules import stored
from hemostat.diagnosis.rules.answer import Answer
from hemostat.diagnosis.rules.cases import Place
from hemostat.diagnosis.rules.explain import Explainer
from hemostat.diagnosis.rules.rank import rank
from hemostat.diagnosis.window import WINDOW_S, Window, window_begin
from hemostat.events import actions as events
from hemostat.events.rules import SYSTEM, Ref

FRESH = timedelta(seconds=10)
"""An answer that says the same as one of the last ten seconds is not stored."""
FOLLOWED = timedelta(minutes=5)
"""After a pause of so long, an answer that says the same is about another failure."""
ONSET_SLACK = timedelta(minutes=2)
"""The onset found may move so far while it is the same failure."""
MAX_TOP_COORDINATE = 80

_windows: dict[str, Window] = {}


def diagnose(
    environment: str, *, now: datetime, since: datetime | None = None, window: Window | None = None
) -> Diagnosis:
    """Ask what explains the failing requests of an environment at `now`, and store the answer.

    `since` is when the failure began, where detection or an incident knows it: the half hour before it is the
    baseline, and the onset is looked for within a minute of it. `window` keeps the counters between questions
    (default: the process's own). An answer that names the causes already known does not make a new row at
    once: the row returned is then the former one, with its figures brought up to date every ten seconds.
    """
    window = window or _windows.setdefault(environment, Window(environment))
    with window.lock:
        answer, places = _ask(window, environment, now, since)
    with transaction.atomic():
        row = Diagnosis.objects.filter(environment=environment).order_by("-at", "-id").first()
        same = row is not None and now - row.at < FOLLOWED and _says_the_same(row, answer)
        if row is not None and same and now - row.at < FRESH:
            return row
        for place in places:
            coordinates.register(place.path, place.exception)
        if row is None or not same:
            row = Diagnosis(environment=environment)
        row.at = now
        row.onset_at = answer.onset_at
        row.verdict = answer.verdict
        row.top_coordinate = answer.causes[0].coordinate[:MAX_TOP_COORDINATE] if answer.causes else ""
        row.answer = stored.to_json(answer)
        row.save()
        if not same:
            _record(row, answer)
    return row


def _ask(window: Window, environment: str, now: datetime, since: datetime | None) -> tuple[Answer, list[Place]]:
    over = detection.over_between(environment, window_begin(now, since), now)
    stretches = window.stretches(now, since=since, excluded=[span for _, _, span in over])
    evidence, finding = rank(stretches, since=since.timestamp() if since else None)
    explainer = Explainer(evidence, finding, environment=environment, at=now)
    return explainer.answer(WINDOW_S), explainer.places()


def _says_the_same(row: Diagnosis, answer: Answer) -> bool:
    """Whether a reader would see the same causes of the same failure as before."""
    former = stored.from_json(row.answer)
    if former.onset_at and answer.onset_at and abs(former.onset_at - answer.onset_at) > ONSET_SLACK:
        return False
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
