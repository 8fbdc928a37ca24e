"""Everything that can happen to an incident: one function each, one transaction, one event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from hemostat.alerts.models import Alert
from hemostat.base import clock, due, wake
from hemostat.base.texts import Text
from hemostat.catalog.models import Environment, Service
from hemostat.detection.models import Drop
from hemostat.diagnosis import actions as diagnosis
from hemostat.diagnosis import queries as diagnoses
from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules.answer import Answer
from hemostat.events.actions import record
from hemostat.events.rules import SYSTEM, Ref
from hemostat.incidents import queries
from hemostat.incidents.models import Incident, IncidentRole, IncidentSignal
from hemostat.incidents.rules import joining
from hemostat.incidents.rules.severity import OPENS_INCIDENT, Severity, next_severity, severity
from hemostat.incidents.rules.states import MACHINE, Role, Stage, State
from hemostat.people import queries as people
from hemostat.people.models import User

REVIEW_EVERY = timedelta(seconds=2)
"""How often an open incident is looked at again."""
LOCK = 0x48454D4F
"""First half of the advisory locks by which opening and joining are serialised per environment ("HEMO")."""


@dataclass(frozen=True)
class Diagnosed:
    """A diagnosis and its row."""

    answer: Answer
    row: Diagnosis


def diagnose(environment: str, *, since: datetime | None) -> Diagnosed:
    """Ask now what explains the failing requests of an environment; `since` is when they began, where that is known."""
    row = diagnosis.diagnose(environment, now=clock.now(), since=since)
    return Diagnosed(diagnoses.answer(row.pk), row)


def ref(incident: Incident) -> Ref:
    """How events name an incident."""
    return Ref("incident", str(incident.pk), incident.code)


def _locked(incident_id: int) -> Incident:
    return Incident.objects.select_for_update(of=("self",)).select_related("environment", "service").get(pk=incident_id)


def _move(incident: Incident, state: State) -> None:
    incident.state = MACHINE.move(State(incident.state), state)


def open_or_join(signal: Drop | Alert, *, environment: Environment, diagnosed: Diagnosed | None) -> Incident | None:
    """Let a signal join the open incident whose call-graph neighbourhood it shares, else open one.

    Serialised per environment, so that two signals of one failure never open two incidents. Returns None when the
    signal is too small to call anybody (P4), and the incident it already belongs to when it was here before.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCK, environment.pk])
        drop, alert = (signal, None) if isinstance(signal, Drop) else (None, signal)
        known = IncidentSignal.objects.filter(drop=drop, alert=alert).select_related("incident").first()
        if known is not None:
            return known.incident
        now = clock.now()
        app_id = drop.app_id if drop else queries.app_of_alert(signal)  # type: ignore[arg-type]
        around = queries.neighbourhood([app_id], diagnosed.answer if diagnosed else None)
        near = around | queries.beside(app_id, environment.slug, now)
        chosen = joining.choose(_candidates(environment), near, now)
        if chosen is not None:
            return _join(_locked(chosen), signal, around, now)
        impact = queries.impact_of_drop(drop) if drop else queries.impact_of_alert(signal)  # type: ignore[arg-type]
        wanted = severity([impact])
        if wanted.value > OPENS_INCIDENT:
            return None
        return _open(signal, environment, diagnosed, around, wanted, now)


def _candidates(environment: Environment) -> list[joining.OpenIncident]:
    rows = Incident.objects.filter(environment=environment, resolved_at__isnull=True).order_by("pk")
    return [
        joining.OpenIncident(
            row.pk,
            frozenset(row.neighbourhood),
            row.last_signal_at,
            row.state in {State.OPEN, State.ACKNOWLEDGED},
        )
        for row in rows
    ]


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select nextval('incident_number')")
        row = cursor.fetchone()
    return int(row[0])


def _open(
    signal: Drop | Alert,
    environment: Environment,
    diagnosed: Diagnosed | None,
    around: frozenset[str],
    wanted: Severity,
    now: datetime,
) -> Incident:
    drop, alert = (signal, None) if isinstance(signal, Drop) else (None, signal)
    lead = queries.lead([drop] if drop else [], [alert] if alert else [], diagnosed.answer if diagnosed else None)
    incident = Incident.objects.create(
        number=_next_number(),
        environment=environment,
        severity=wanted.value,
        severity_reason=wanted.reason.as_json(),
        headline=lead.headline.as_json(),
        service=Service.objects.filter(app_id=lead.app_id).first(),
        entry=lead.entry,
        kpi_baseline=lead.baseline,
        kpi_current=lead.current,
        users_affected=lead.users,
        neighbourhood=sorted(around),
        diagnosis=diagnosed.row if diagnosed else None,
        onset_at=drop.onset_at if drop else signal.starts_at,  # type: ignore[union-attr]
        opened_at=now,
        last_signal_at=now,
        due_at=now + REVIEW_EVERY,
    )
    IncidentSignal.objects.create(incident=incident, drop=drop, alert=alert, joined_at=now)
    record(
        "incidents.opened",
        actor=SYSTEM,
        subjects=[ref(incident), _signal_ref(signal)],
        params={
            "severity": wanted.value,
            "headline": lead.headline.as_json(),
            "reason": wanted.reason.as_json(),
        },
    )
    if diagnosed and diagnosed.answer.causes:
        _cause_event(incident, diagnosed.answer)
    wake.wake(wake.ENGINE, "incidents")
    return incident


def _signal_ref(signal: Drop | Alert) -> Ref:
    if isinstance(signal, Drop):
        return Ref("drop", str(signal.pk), f"{signal.app_id} {signal.entry}")
    return Ref("alert", str(signal.pk), signal.name)


def _cause_event(incident: Incident, answer: Answer) -> None:
    cause = answer.causes[0]
    record(
        "incidents.cause_named",
        actor=SYSTEM,
        subjects=[ref(incident)],
        params={
            "sentence": cause.sentence.as_json(),
            "confidence": cause.confidence.value,
            "coordinate": cause.coordinate,
            "app_id": cause.app_id,
        },
    )


def _join(incident: Incident, signal: Drop | Alert, around: frozenset[str], now: datetime) -> Incident:
    drop, alert = (signal, None) if isinstance(signal, Drop) else (None, signal)
    IncidentSignal.objects.create(incident=incident, drop=drop, alert=alert, joined_at=now)
    incident.neighbourhood = sorted(set(incident.neighbourhood) | around)
    incident.last_signal_at = now
    started = drop.onset_at if drop else signal.starts_at  # type: ignore[union-attr]
    incident.onset_at = min(incident.onset_at, started)
    incident.due_at = now
    incident.save()
    record(
        "incidents.joined",
        actor=SYSTEM,
        subjects=[ref(incident), _signal_ref(signal)],
        params={"label": _signal_ref(signal).label},
    )
    if incident.state == State.MITIGATED:
        _reopen(incident)
    return incident


def _reopen(incident: Incident) -> None:
    _move(incident, State.OPEN)
    incident.mitigated_at = None
    incident.stage = Stage.MITIGATE
    incident.save()
    record("incidents.relapsed", actor=SYSTEM, subjects=[ref(incident)], params={"headline": incident.headline})


def relapse(incident_id: int) -> None:
    """What was mitigated fails again (or still): the incident is open again, and somebody is paged."""
    with transaction.atomic():
        incident = _locked(incident_id)
        if incident.state == State.MITIGATED:
            _reopen(incident)


def review(incident: Incident, diagnosed: Diagnosed | None) -> None:
    """Look at a claimed incident again: figures, headline, severity, cause. Must run with the row held."""
    now = clock.now()
    signals = list(incident.signals.select_related("drop", "alert", "alert__source"))
    drops = [s.drop for s in signals if s.drop is not None]
    alerts = [s.alert for s in signals if s.alert is not None]
    if diagnosed is not None:
        _take_cause(incident, diagnosed)
    shown = diagnoses.answer(incident.diagnosis_id) if incident.diagnosis_id else None
    _take_over(incident, queries.lead(drops, alerts, shown))
    incident.users_affected = max((d.users for d in drops), default=incident.users_affected)
    impacts = [queries.impact_of_drop(d) for d in drops if d.recovered_at is None]
    impacts += [queries.impact_of_alert(a) for a in alerts if a.resolved_at is None]
    if impacts:
        _weigh(incident, severity(impacts), now)
    around = queries.neighbourhood([d.app_id for d in drops], shown)
    incident.neighbourhood = sorted(set(incident.neighbourhood) | around)
    due.release(incident, due_at=now + REVIEW_EVERY)
    incident.save()


def _take_cause(incident: Incident, diagnosed: Diagnosed) -> None:
    """Keep the newer answer, and tell of it where it names other causes.

    An answer that knows less than the one before is not taken: the figures coming back must not unname the cause.
    """
    before = diagnoses.answer(incident.diagnosis_id) if incident.diagnosis_id else None
    if before is not None and before.causes and not diagnosed.answer.causes:
        return
    incident.diagnosis = diagnosed.row
    if diagnosed.answer.causes and _names(before) != _names(diagnosed.answer):
        _cause_event(incident, diagnosed.answer)


def _names(answer: Answer | None) -> list[tuple[str, str]]:
    return sorted({(c.app_id, c.exception_class) for c in answer.causes if c.in_cause_set}) if answer else []


def _take_over(incident: Incident, lead: queries.Lead) -> None:
    incident.headline = lead.headline.as_json()
    incident.entry = lead.entry
    incident.kpi_baseline, incident.kpi_current = lead.baseline, lead.current
    if incident.service is None or incident.service.app_id != lead.app_id:
        incident.service = Service.objects.filter(app_id=lead.app_id).first()


def _weigh(incident: Incident, wanted: Severity, now: datetime) -> None:
    before = incident.severity
    if wanted.value <= before:
        incident.lower_since = None
    elif incident.lower_since is None:
        incident.lower_since = now
    moved = next_severity(before, wanted, lower_since=incident.lower_since, now=now)
    if moved is None:
        return
    incident.severity, incident.severity_reason, incident.lower_since = (
        moved.value,
        moved.reason.as_json(),
        None,
    )
    params = {"before": before, "after": moved.value, "reason": moved.reason.as_json()}
    record("incidents.severity_changed", actor=SYSTEM, subjects=[ref(incident)], params=params)
    if moved.value < before:
        record("incidents.severity_raised", actor=SYSTEM, subjects=[ref(incident)], params=params)


def acknowledge(incident_id: int, *, user: User, via: str) -> bool:
    """Somebody answers: paging stops, and the first to answer commands until they hand over.

    `via` is one of page, link, api, cli, run. Returns False when it was answered before, or is over.
    """
    with transaction.atomic():
        incident = _locked(incident_id)
        if incident.state != State.OPEN:
            return False
        now = clock.now()
        _move(incident, State.ACKNOWLEDGED)
        incident.acknowledged_at, incident.acknowledged_by = now, user
        if incident.triaged_at is None:
            incident.triaged_at = now
        if incident.stage == Stage.TRIAGE:
            incident.stage = Stage.MITIGATE
        incident.save()
        record(
            "incidents.acknowledged",
            actor=people.ref(user),
            subjects=[ref(incident)],
            params={"via": Text(f"incidents.via_{via}").as_json()},
        )
        if not IncidentRole.objects.filter(incident=incident, role=Role.COMMANDER).exists():
            _give_role(incident, user, Role.COMMANDER)
        return True


def _give_role(incident: Incident, user: User, role: Role) -> None:
    IncidentRole.objects.update_or_create(incident=incident, role=role, defaults={"user": user, "since": clock.now()})
    record(
        "incidents.role_taken",
        actor=people.ref(user),
        subjects=[ref(incident)],
        params={"role": Text(f"incidents.role_{role.value}").as_json()},
    )


def take_role(incident_id: int, *, user: User, role: Role) -> None:
    """Somebody takes a role, from nobody or from whoever held it."""
    with transaction.atomic():
        incident = _locked(incident_id)
        held = IncidentRole.objects.filter(incident=incident, role=role).first()
        if held is None or held.user_id != user.pk:
            _give_role(incident, user, role)


def note(incident_id: int, *, user: User, text: str) -> None:
    """Write a note onto the timeline; raises ValueError for an empty one."""
    text = text.strip()
    if not text:
        raise ValueError("text: a note needs a text")
    with transaction.atomic():
        incident = _locked(incident_id)
        record("incidents.noted", actor=people.ref(user), subjects=[ref(incident)], params={"text": text[:5000]})


def ask_help(incident_id: int, *, user: User) -> None:
    """“I need help”: the next people are paged at once, whatever the clock says."""
    with transaction.atomic():
        record("incidents.help_asked", actor=people.ref(user), subjects=[ref(_locked(incident_id))])


def mitigate(incident_id: int, *, actor: Ref, reason: Text) -> bool:
    """The bleeding has stopped. Returns False when it had before."""
    with transaction.atomic():
        incident = _locked(incident_id)
        if not MACHINE.allows(State(incident.state), State.MITIGATED):
            return False
        now = clock.now()
        _move(incident, State.MITIGATED)
        incident.mitigated_at = now
        incident.stage = Stage.RESOLVE
        incident.due_at = now + REVIEW_EVERY
        incident.save()
        record("incidents.mitigated", actor=actor, subjects=[ref(incident)], params={"reason": reason.as_json()})
        return True


def resolve(incident_id: int, *, user: User) -> bool:
    """A person closes the incident. Returns False when it was closed before."""
    reason = Text("incidents.by_person", {"actor": str(user)})
    return _resolve(incident_id, people.ref(user), reason)


def resolve_quiet(incident_id: int, quiet_s: float) -> bool:
    """Close an incident that has been quiet for `quiet_s` seconds."""
    return _resolve(incident_id, SYSTEM, Text("incidents.quiet", {"for_s": round(quiet_s)}))


def _resolve(incident_id: int, actor: Ref, reason: Text) -> bool:
    with transaction.atomic():
        incident = _locked(incident_id)
        if not MACHINE.allows(State(incident.state), State.RESOLVED):
            return False
        now = clock.now()
        _move(incident, State.RESOLVED)
        incident.resolved_at = now
        incident.stage = Stage.POSTMORTEM
        due.release(incident, due_at=None)
        incident.save()
        record("incidents.resolved", actor=actor, subjects=[ref(incident)], params={"reason": reason.as_json()})
        return True
