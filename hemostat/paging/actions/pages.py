"""Everything that can happen to pages, deliveries and their links; policies are in `policies.py`.

State, events and deliveries are written in one transaction (outbox): what has to be sent is a row before anything is
sent, and nothing is marked sent before the provider took it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q

from hemostat.base import clock, due, wake
from hemostat.base.ids import token_digest, uuid7
from hemostat.base.texts import Text
from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.events.actions import record
from hemostat.events.rules import SYSTEM, Ref
from hemostat.incidents import actions as incidents
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.paging import links, queries
from hemostat.paging.engine import Outgoing
from hemostat.paging.models import AckLink, Audit, Delivery, Page
from hemostat.paging.rules import record as record_rules
from hemostat.paging.rules import steps
from hemostat.paging.rules.deliveries import Kind, Stop, Verdict
from hemostat.paging.rules.record import STATE_AFTER, Happened
from hemostat.paging.rules.states import DELIVERY, PAGE, DeliveryState, PageState
from hemostat.paging.rules.steps import Decision, Do, PageFacts, Reason
from hemostat.people import queries as people

LINK_LASTS = timedelta(hours=24)


class StaleStepError(ValueError):
    """Somebody asked for the next step of a page that has gone on since."""

    def __init__(self, asked: int, present: int) -> None:
        super().__init__(f"asked at step {asked}, but the page is at step {present}")
        self.asked = asked
        self.present = present


def _ref(incident: Incident) -> Ref:
    return Ref("incident", str(incident.pk), incident.code)


def _record(incident: Incident, happened: Sequence[Happened], at: datetime) -> None:
    for event in happened:
        subjects = [_ref(incident), *(Ref("user", str(user_id), name) for user_id, name in event.people)]
        record(event.kind, actor=SYSTEM, subjects=subjects, params=event.params, at=at)


def _locked_page(incident_id: int) -> Page | None:
    return (
        Page.objects.select_for_update(of=("self",)).select_related("incident").filter(incident_id=incident_id).first()
    )


# --- the page ---------------------------------------------------------------------------------------------------


def start(incident_id: int) -> Page:
    """Begin to page about an incident: the policy is stamped on, the first step is due. Once, however often called."""
    with transaction.atomic():
        incident = Incident.objects.select_related("service").get(pk=incident_id)
        now = clock.now()
        page, made = Page.objects.get_or_create(
            incident=incident, defaults={"policy": {}, "started_at": now, "due_at": None}
        )
        if made:
            policy = queries.policy_for(incident)
            page.policy = policy.as_json()
            page.due_at = now
            page.save()
            name = Text("paging.policy_named", {"name": policy.name}) if policy.slug else Text("paging.policy_owners")
            record("paging.page_started", actor=SYSTEM, subjects=[_ref(incident)], params={"policy": name.as_json()})
            wake.wake(wake.ENGINE, "paging")
        return page


def look_again(incident_id: int) -> None:
    """Something about the incident changed: let the engine look at its page now."""
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is not None and page.state != PageState.STOPPED:
            _look_now(page, clock.now())
            page.save()


def _look_now(page: Page, now: datetime) -> None:
    """Make the page due; a worker that has claimed it already decides under the lock we hold, so it sees our change."""
    page.due_at = now
    page.attempts = 0
    wake.wake(wake.ENGINE, "paging")


def escalate(incident_id: int, *, step: int, for_help: bool = False) -> None:
    """Page the next tier now instead of when its time comes; wraps to the first after the last.

    Raises StaleStepError when the page is no longer at `step`: a second press on an old link must not skip a tier.
    """
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is None or page.state == PageState.STOPPED:
            return
        if page.step != step:
            raise StaleStepError(step, page.step)
        _ring(page, clock.now(), for_help=for_help)


def _ring(page: Page, now: datetime, *, for_help: bool) -> None:
    if page.state != PageState.RINGING:
        page.state = PAGE.move(PageState(page.state), PageState.RINGING)
    page.for_help = page.for_help or for_help
    page.answered_at = None
    page.escalate_step = page.step
    _look_now(page, now)
    page.save()


def help_asked(incident_id: int, event_id: uuid.UUID) -> None:
    """Somebody needs help: the next tier is paged now, also when the incident was answered. Once per event."""
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is None or page.state == PageState.STOPPED or not _is_new(page, event_id):
            return
        _ring(page, clock.now(), for_help=page.incident.state != State.OPEN)


def ring_again(incident_id: int, event_id: uuid.UUID) -> None:
    """What was mitigated fails again: paging begins again at the first tier. Once per event."""
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is None or page.state == PageState.STOPPED or not _is_new(page, event_id):
            return
        page.pass_no, page.tier, page.at_fallback, page.for_help = 0, -1, False, False
        _ring(page, clock.now(), for_help=False)


def severity_raised(incident_id: int, event_id: uuid.UUID) -> None:
    """The rules read the severity afresh; a page that had run out begins to ring again. Once per event."""
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is None or page.state == PageState.STOPPED or not _is_new(page, event_id):
            return
        if page.state == PageState.EXHAUSTED and page.step > 0:
            _ring(page, clock.now(), for_help=False)
        else:
            _look_now(page, clock.now())
            page.save()


def _is_new(page: Page, event_id: uuid.UUID) -> bool:
    """Whether the page has not followed this event yet; UUIDv7 sort by time."""
    if page.last_event is not None and event_id <= page.last_event:
        return False
    page.last_event = event_id
    return True


def carry_out(page: Page, incident: Incident, facts: PageFacts, decision: Decision, now: datetime) -> None:
    """Write a decision about a page that is held in this transaction: page, events and deliveries."""
    happened = record_rules.of_decision(
        decision,
        state=PageState(page.state),
        reason=page.reason,
        tiers=len(facts.policy.tiers),
        severity=incident.severity,
    )
    after = STATE_AFTER.get(decision.do, PageState(page.state))
    if after != page.state:
        page.state = PAGE.move(PageState(page.state), after)
    page.reason = decision.reason
    if decision.reason is Reason.BACKLOG:
        page.grace_step = page.step
    if decision.do is Do.PAGE:
        page.step += 1
        page.step_started_at = now
        page.pass_no, page.tier, page.at_fallback = decision.pass_no, decision.tier, decision.at_fallback
        _make_deliveries(page, decision, incident.severity, now)
    if decision.do in {Do.ANSWERED, Do.STOP}:
        page.answered_at = incident.acknowledged_at
        _call_off_all(page)
    page.last_error = ""
    due.release(page, due_at=decision.due_at)
    page.save()
    _record(incident, happened, now)


def _make_deliveries(page: Page, decision: Decision, severity: int, now: datetime) -> None:
    Delivery.objects.bulk_create(
        Delivery(
            id=uuid7(now),
            page=page,
            user_id=planned.recipient.person.id,
            tier=planned.recipient.tier,
            via=planned.recipient.via[:120],
            method_id=planned.way.id,
            kind=planned.way.kind,
            label=planned.way.label,
            destination=planned.way.destination,
            wakes=planned.way.wakes,
            message=Kind.PAGE,
            step=page.step,
            position=planned.position,
            created_at=now,
            due_at=planned.due_at,
        )
        for planned in steps.plan(decision, severity, now)
    )
    wake.wake(wake.ENGINE, "deliveries")


def _call_off_all(page: Page) -> None:
    """Cancel what has not been sent; what is being sent now is called off, or finished, by its worker."""
    page.deliveries.filter(Q(message=Kind.PAGE), state=DeliveryState.PENDING, lease__isnull=True).update(
        state=DeliveryState.CANCELLED, due_at=None
    )


# --- deliveries -------------------------------------------------------------------------------------------------


def call_off(delivery: Delivery, stop: Stop) -> None:
    """Do not send a claimed delivery: somebody has answered, it is over, or it was decided before."""
    if stop is not Stop.DECIDED:
        delivery.state = DELIVERY.move(DeliveryState(delivery.state), DeliveryState.CANCELLED)
    due.release(delivery, due_at=None)
    delivery.save()


def begin_try(delivery: Delivery, page: Page, now: datetime, *, lease_until: datetime) -> Outgoing:
    """Count a try, renew the lease, and make sure that the link in the message will be known when it is followed."""
    delivery.tries += 1
    delivery.first_tried_at = delivery.first_tried_at or now
    delivery.last_tried_at = now
    delivery.lease_until = lease_until
    delivery.save()
    if delivery.message == Kind.PAGE:
        AckLink.objects.update_or_create(
            delivery=delivery,
            defaults={"digest": token_digest(links.token(delivery.id)), "expires_at": now + LINK_LASTS},
        )
    return Outgoing(
        delivery_id=delivery.id,
        incident_id=page.incident_id,
        user_id=delivery.user_id,
        method_id=delivery.method_id or 0,
        kind=delivery.kind,
        message=Kind(delivery.message),
        tier=delivery.tier,
        via=delivery.via,
    )


def end_try(delivery: Delivery, page: Page, verdict: Verdict, outcome: Outcome, now: datetime) -> None:
    """Write what came of a try; both rows are held in this transaction."""
    first_try = delivery.tries == 1
    if verdict.state != delivery.state:
        delivery.state = DELIVERY.move(DeliveryState(delivery.state), verdict.state)
    delivery.ambiguous = verdict.ambiguous
    delivery.answer = outcome.answer
    if verdict.state is DeliveryState.ACCEPTED:
        delivery.accepted_at = now
    due.release(delivery, due_at=verdict.due_at)
    delivery.save()
    if verdict.pull is not None:
        page.deliveries.filter(pk=verdict.pull, state=DeliveryState.PENDING).update(due_at=now)
        wake.wake(wake.ENGINE, "deliveries")
    if verdict.nudge and delivery.message == Kind.PAGE and page.state == PageState.RINGING:
        _look_now(page, now)
        page.save()
    person = (delivery.user_id, str(delivery.user))
    happened = record_rules.of_verdict(
        verdict, outcome, way=_way(delivery), person=person, tries=delivery.tries, first_try=first_try
    )
    if delivery.message == Kind.PAGE:
        _record(page.incident, happened, now)


def _way(delivery: Delivery) -> str:
    return f"{delivery.kind} {delivery.label}".strip()


def note_late_acceptance(delivery_id: uuid.UUID, page: Page, outcome: Outcome, now: datetime) -> None:
    """The lease was lost while sending. An acceptance is the truth all the same, and spares the next worker the try."""
    if outcome.kind is not OutcomeKind.ACCEPTED:
        return
    delivery = page.deliveries.select_for_update().filter(pk=delivery_id, state=DeliveryState.PENDING).first()
    if delivery is not None:
        end_try(delivery, page, Verdict(DeliveryState.ACCEPTED, None, delivery.ambiguous, nudge=True), outcome, now)


def tell_resolved(incident_id: int) -> int:
    """Tell that it is over, to those who got the page, by the way that reached them. Once; returns how many."""
    with transaction.atomic():
        page = _locked_page(incident_id)
        if page is None:
            return 0
        now = clock.now()
        _look_now(page, now)
        page.save()
        reached: dict[int, Delivery] = {}
        sent = page.deliveries.filter(Q(state=DeliveryState.ACCEPTED) | Q(ambiguous__gt=0), message=Kind.PAGE)
        for row in sent.filter(method__isnull=False).order_by("-wakes", "accepted_at", "position"):
            reached.setdefault(row.user_id, row)
        for row in reached.values():
            Delivery.objects.get_or_create(
                page=page,
                message=Kind.RESOLVED,
                step=0,
                method_id=row.method_id,
                defaults={
                    "id": uuid7(now),
                    "user_id": row.user_id,
                    "kind": row.kind,
                    "label": row.label,
                    "destination": row.destination,
                    "wakes": row.wakes,
                    "created_at": now,
                    "due_at": now,
                },
            )
        wake.wake(wake.ENGINE, "deliveries")
        return len(reached)


# --- answering by the link --------------------------------------------------------------------------------------


class Answer(StrEnum):
    """What came of pressing the button behind a link."""

    DONE = "done"
    TAKEN = "taken"
    """somebody had answered before"""
    OVER = "over"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


def acknowledge_by_link(token: str) -> Answer:
    """Acknowledge as the person to whom the message with this link was sent."""
    with transaction.atomic():
        now = clock.now()
        link = queries.ack_link(token, now)
        if link is None:
            return Answer.UNKNOWN
        if link.expired:
            return Answer.EXPIRED
        if queries.over(link.incident):
            return Answer.OVER
        done = incidents.acknowledge(link.incident.pk, user=link.user, via="link")
        if not done:
            done = _answer_help(link, now)
        if not done:
            return Answer.TAKEN
        AckLink.objects.filter(pk=link.link_id).update(used_at=now)
        return Answer.DONE


def _answer_help(link: queries.LinkView, now: datetime) -> bool:
    """Somebody answers a call for help: the incident stays with whoever has it, the ringing ends."""
    page = _locked_page(link.incident.pk)
    if page is None or not page.for_help or link.user.pk == page.incident.acknowledged_by_id:
        return False
    page.for_help = False
    _look_now(page, now)
    page.save()
    record(
        "paging.help_answered",
        actor=people.ref(link.user),
        subjects=[_ref(page.incident), people.ref(link.user)],
    )
    return True


# --- the auditor ------------------------------------------------------------------------------------------------


def keep_audit(findings: Sequence[Text], now: datetime) -> bool:
    """Keep what the auditor found; an event tells when that changed. Returns whether it passed."""
    stored = [finding.as_json() for finding in findings]
    with transaction.atomic():
        last = Audit.objects.select_for_update().order_by("-at").first()
        changed = last is None or last.findings != stored
        audit = last or Audit()
        audit.at, audit.passed, audit.findings = now, not stored, stored
        audit.save()
        if changed and (stored or last is not None):
            record(
                "paging.audit_failed" if stored else "paging.audit_passed",
                actor=SYSTEM,
                subjects=[Ref("audit", "paging", "paging")],
                params={"count": len(stored), "first": stored[0] if stored else None},
            )
    return not stored
