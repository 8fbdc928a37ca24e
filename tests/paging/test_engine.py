"""The engine in a process: a slow destination holds up nobody else, poison is kept apart, nobody is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.ids import uuid7
from hemostat.base.texts import Text
from hemostat.channels.models import ContactMethod
from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules import stored
from hemostat.diagnosis.rules.answer import Answer, Cause, Confidence, Verdict
from hemostat.events import queries as events
from hemostat.events.models import Reaction
from hemostat.incidents import actions as incidents
from hemostat.incidents.models import Incident
from hemostat.paging import actions, brief, chores, queries
from hemostat.paging.engine import Engine
from hemostat.paging.models import Delivery, Page
from hemostat.paging.provider import ChannelProvider
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.sender import Sender
from hemostat.paging.store import PostgresStore
from tests.paging.world import Mailbox, Sink, incident, person, policy, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Work = Callable[..., None]


def test_a_destination_that_hangs_holds_up_nobody_else(mail: Mailbox, sink: Sink, time: ManualClock) -> None:
    sink.wait = threading.Event()
    hung = [person(f"Hung{n}", sink.url) for n in range(6)]
    anna = person("Anna", "email")
    policy([*hung, anna], fallback=anna)
    actions.start(incident().pk)
    engine = Engine(PostgresStore(), ChannelProvider(), clock.now)
    engine.run_pages()
    sender = Sender(engine, workers=6, per_destination=2)
    assert sender.run() == 3  # two of the six to the webhook, and the mail
    for _ in range(50):
        sender.run()
        if mail.mails:
            break
    assert len(mail.mails) == 1
    assert len(sink.requests) <= 2
    sink.wait.set()
    for _ in range(50):
        sender.run()
        if not Delivery.objects.filter(state=DeliveryState.PENDING).exists():
            break
    assert sender.wait(10)
    sender.close()
    assert len(sink.requests) == 6
    assert Delivery.objects.filter(state=DeliveryState.ACCEPTED).count() == 7


def test_a_page_that_cannot_be_decided_holds_up_no_other_and_is_shown(mail: Mailbox, work: Work) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    bad = incident(number=1)
    incident(number=2)
    actions.start(bad.pk)
    Page.objects.filter(incident=bad).update(policy={"broken": True})
    work()
    assert [str(m["subject"])[-5:] for m in mail.mails] == ["INC-2"]
    page = Page.objects.get(incident=bad)
    assert page.last_error.startswith("KeyError")
    assert page.parked_at is None
    assert page.due_at is not None


def test_a_diagnosis_or_plan_that_cannot_be_read_costs_a_line_and_never_the_page(
    mail: Mailbox, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(row: Incident) -> brief.Suggestion | None:
        raise ValueError("no plans today")

    monkeypatch.setattr(brief, "_sources", [broken])
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    incident()
    work()
    assert len(mail.mails) == 1


def test_the_cause_is_in_the_message_with_how_sure_it_is(mail: Mailbox, work: Work) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    row = incident()
    cause = Cause(
        rank=1,
        app_id="shop/orders",
        operation="POST /orders",
        exception_class="dependency",
        error="ConnectionRefused",
        coordinate="a#b",
        peer="orders-db",
        share=0.96,
        failing=900,
        baseline=0.0,
        first_at=None,
        confidence=Confidence.VERY_LIKELY,
        in_cause_set=True,
        sentence=Text(
            "diagnosis.gone.refused", {"service": "orders-db", "caller": "orders", "error": "ConnectionRefused"}
        ),
    )
    answer = Answer("production", clock.now(), clock.now(), Verdict.NAMED, (cause,))
    row.diagnosis = Diagnosis.objects.create(
        environment="production", at=clock.now(), verdict=answer.verdict, answer=stored.to_json(answer)
    )
    row.save()
    work()
    body = mail.mails[0].get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert "Why, very likely\n  orders-db refuses connections: orders cannot open a connection" in text


def test_the_best_plan_is_in_the_message(mail: Mailbox, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "_sources", [])
    brief.suggest_with(lambda row: brief.Suggestion("Roll back orders to 2.40"))
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    incident()
    work()
    body = mail.mails[0].get_body(("plain",))
    assert body is not None
    assert "Best plan\n  Roll back orders to 2.40" in body.get_content().replace("\r\n", "\n")


def test_a_removed_way_fails_over_to_the_next(mail: Mailbox, sink: Sink, work: Work) -> None:
    anna = person("Anna", sink.url, "email")
    policy(anna, fallback=anna)
    row = incident()
    actions.start(row.pk)
    chores.engine().run_pages()
    ContactMethod.objects.filter(kind="webhook").delete()
    work()
    assert sink.requests == []
    assert len(mail.mails) == 1
    assert "paging.delivery_failed" in timeline(row)


def test_every_reaction_can_run_twice_without_a_second_page(mail: Mailbox, work: Work) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    row = incident()

    def twice() -> None:
        work()
        Reaction.objects.update(done_at=None, due_at=clock.now())
        work()

    twice()
    assert len(mail.mails) == 1
    incidents.acknowledge(row.pk, user=anna, via="api")
    twice()
    incidents.ask_help(row.pk, user=anna)
    twice()
    assert [m["to"] for m in mail.mails] == ["anna@example.org", "ben@example.org"]
    incidents.resolve(row.pk, user=anna)
    twice()
    assert sorted(str(m["to"]) for m in mail.mails[2:]) == ["anna@example.org", "ben@example.org"]


def test_a_stale_second_escalation_is_refused(mail: Mailbox, work: Work) -> None:
    anna, ben, carl = person("Anna", "email"), person("Ben", "email"), person("Carl", "email")
    policy(anna, ben, carl, fallback=carl)
    row = incident()
    work()
    actions.escalate(row.pk, step=1)
    work()
    with pytest.raises(actions.StaleStepError):
        actions.escalate(row.pk, step=1)
    work()
    assert [m["to"] for m in mail.mails] == ["anna@example.org", "ben@example.org"]


def test_help_asked_after_an_answer_is_not_taken_back_by_the_same_person(mail: Mailbox, work: Work) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    row = incident()
    work()
    incidents.acknowledge(row.pk, user=anna, via="page")
    actions.help_asked(row.pk, uuid7(clock.now()))
    work()
    page = queries.page_of(row.pk)
    assert page is not None
    assert page.state is PageState.RINGING


def test_who_was_paged_when_by_what_and_with_which_answer_is_on_record(mail: Mailbox, sink: Sink, work: Work) -> None:
    anna, ben = person("Anna", "email", sink.url), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    replies = iter(["550 5.1.1 no such mailbox"])
    mail.answer = lambda: next(replies, None)
    row = incident()
    work(5)
    page = queries.page_of(row.pk)
    assert page is not None
    told = [(d.user, d.kind, d.state, d.answer, d.tries) for d in page.deliveries]
    assert told == [
        ("Anna", "email", DeliveryState.FAILED, "550 5.1.1 no such mailbox", 1),
        ("Anna", "webhook", DeliveryState.ACCEPTED, "204", 1),
    ]
    assert "s3cret-path" not in repr(page)


class TestTheAuditor:
    """Looks by itself, every minute, whether anybody has been forgotten."""

    def test_it_passes_while_paging_works(self, mail: Mailbox, work: Work, time: ManualClock) -> None:
        anna = person("Anna", "email")
        policy(anna, fallback=anna)
        row = incident()
        work(40)
        assert chores.audit(time.now())
        incidents.acknowledge(row.pk, user=anna, via="page")
        work(60)
        assert chores.audit(time.now())

    def test_p3_rests_with_a_recorded_reason(self, mail: Mailbox, work: Work, time: ManualClock) -> None:
        anna = person("Anna", "email")
        policy(anna, fallback=anna)
        row = incident(severity=3)
        work(40)
        assert chores.audit(time.now())
        assert "paging.rests" in timeline(row)

    @pytest.mark.parametrize(
        ("lose", "code"),
        [
            (lambda: Page.objects.all().delete(), "paging.audit_no_page"),
            (lambda: Page.objects.update(due_at=None), "paging.audit_stuck"),
            (lambda: Page.objects.update(due_at=clock.now() - timedelta(minutes=2)), "paging.audit_late"),
            (lambda: Page.objects.update(state="exhausted", due_at=None), "paging.audit_exhausted"),
            (lambda: Page.objects.update(state="acknowledged", due_at=None), "paging.audit_stuck"),
        ],
    )
    def test_it_finds_whoever_was_lost_and_says_so_once(
        self, lose: Callable[[], Any], code: str, mail: Mailbox, work: Work, time: ManualClock
    ) -> None:
        anna = person("Anna", "email")
        policy(anna, fallback=anna)
        incident()
        work(40)
        lose()
        for _ in range(2):
            assert not chores.audit(time.now())
        audit = queries.last_audit()
        assert audit is not None
        assert [f["code"] for f in audit.findings] == [code]
        assert [e.kind for e in events.about("audit", "paging")] == ["paging.audit_failed"]
        Incident.objects.update(resolved_at=time.now())
        assert chores.audit(time.now())
        assert len(events.about("audit", "paging")) == 2


def test_a_decision_and_its_deliveries_are_committed_together_or_not_at_all(mail: Mailbox, time: ManualClock) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    actions.start(incident().pk)
    store = PostgresStore()
    (lease,) = store.claim_pages(clock.now(), 1)

    class PowerCutError(Exception):
        pass

    def cut() -> None:
        with transaction.atomic():
            store.advance(lease, clock.now(), chores.engine().rules.next_step)
            raise PowerCutError

    with pytest.raises(PowerCutError):
        cut()
    assert Delivery.objects.count() == 0
    assert Page.objects.get().step == 0
    assert store.advance(lease, clock.now(), chores.engine().rules.next_step) is not None
    assert Delivery.objects.count() == 1
