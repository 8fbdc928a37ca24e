"""What incidents do about events of other rooms; each is idempotent, for it may run twice."""

from __future__ import annotations

from datetime import timedelta

from hemostat.alerts import actions as alerts
from hemostat.alerts.models import Alert
from hemostat.base import clock
from hemostat.base.due import Postponed
from hemostat.base.texts import Text
from hemostat.catalog.models import Environment
from hemostat.detection.models import Drop
from hemostat.diagnosis.rules.answer import Verdict
from hemostat.events.rules import SYSTEM, EventRecord
from hemostat.incidents import actions, queries
from hemostat.incidents.models import IncidentSignal
from hemostat.incidents.rules.severity import OPENS_INCIDENT, severity

NAME_CAUSE_WITHIN = timedelta(seconds=4)
"""How long opening waits for a cause to be named, so that the page that goes out already says what broke."""


def _subject(event: EventRecord, kind: str) -> int:
    return next(int(s.id) for s in event.subjects if s.kind == kind)


def open_for_drop(event: EventRecord) -> None:
    """A KPI fell: diagnose, then open an incident or join one."""
    drop = Drop.objects.get(pk=_subject(event, "drop"))
    environment = Environment.objects.filter(slug=drop.environment).first()
    if environment is None or not environment.paging or drop.recovered_at is not None:
        return
    diagnosed = actions.diagnose(drop.environment, since=drop.onset_at)
    now = clock.now()
    if diagnosed.answer.verdict is Verdict.UNKNOWN and now - drop.detected_at < NAME_CAUSE_WITHIN:
        raise Postponed(now + timedelta(seconds=1))
    actions.open_or_join(drop, environment=environment, diagnosed=diagnosed)


def open_for_alert(event: EventRecord) -> None:
    """An alert fires: open an incident or join one, and write its fate onto it."""
    alert = Alert.objects.get(pk=_subject(event, "alert"))
    environment = Environment.objects.filter(slug=alert.environment).first()
    if environment is None or not environment.paging:
        alerts.set_fate(alert.pk, Text("incidents.fate_environment", {"environment": alert.environment}))
        return
    impact = queries.impact_of_alert(alert)
    # what opens nothing by itself may still join; a storm of warnings must not ask a diagnosis each
    opens = severity([impact]).value <= OPENS_INCIDENT
    diagnosed = actions.diagnose(environment.slug, since=None) if opens else None
    incident = actions.open_or_join(alert, environment=environment, diagnosed=diagnosed)
    if incident is None:
        fate = Text(
            "incidents.fate_low",
            {
                "level": Text(f"incidents.level_{impact.level.value}").as_json(),
                "tier": Text(f"incidents.tier_{impact.tier.value}").as_json(),
                "severity": OPENS_INCIDENT + 1,
            },
        )
    else:
        fate = Text("incidents.fate_joined", {"code": incident.code})
    alerts.set_fate(alert.pk, fate)


def _mitigate_if_over(signal: IncidentSignal | None, reason: Text) -> None:
    if signal is not None and not queries.still_failing(signal.incident_id):
        actions.mitigate(signal.incident_id, actor=SYSTEM, reason=reason)


def note_recovery(event: EventRecord) -> None:
    """A KPI came back: when it was the last one that failed, the incident is mitigated."""
    signal = IncidentSignal.objects.filter(drop_id=_subject(event, "drop")).first()
    _mitigate_if_over(signal, Text("incidents.by_itself"))


def note_alert_resolved(event: EventRecord) -> None:
    """An alert is over: when it was the last signal, the incident is mitigated."""
    signal = IncidentSignal.objects.filter(alert_id=_subject(event, "alert")).first()
    _mitigate_if_over(signal, Text("incidents.alert_over"))


def mitigate_after_run(event: EventRecord) -> None:
    """A plan was verified to have helped."""
    plan = next(s.label for s in event.subjects if s.kind == "plan")
    actions.mitigate(_subject(event, "incident"), actor=event.actor, reason=Text("incidents.by_plan", {"plan": plan}))
