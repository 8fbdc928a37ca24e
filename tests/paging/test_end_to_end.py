"""From an incident to a person who has answered: real database, real mail server, real webhook."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.incidents import actions as incidents
from hemostat.incidents.models import Incident
from hemostat.paging import queries
from hemostat.paging.models import AckLink, Delivery
from hemostat.paging.rules.states import DeliveryState, PageState
from tests.paging.world import Mailbox, Sink, incident, person, policy, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Work = Callable[..., None]


def link_in(mail: Mailbox, number: int = -1) -> str:
    body = mail.mails[number].get_body(("plain",))
    assert body is not None
    found = re.search(r"https://hemo\.example(/ack/\S+)", body.get_content())
    assert found is not None
    return found.group(1)


def test_an_incident_pages_the_first_tier_and_the_link_in_the_mail_acknowledges(mail: Mailbox, work: Work) -> None:
    anna, ben, lead = person("Anna", "email"), person("Ben", "email"), person("Lead", "email")
    policy(anna, ben, fallback=lead)
    row = incident()
    work()
    (sent,) = mail.mails
    assert sent["to"] == "anna@example.org"
    assert sent["subject"] == "P1 Payment success 99.9\u00a0% → 12\u00a0% · INC-318"
    client = Client(enforce_csrf_checks=True)
    address = link_in(mail)
    for _ in range(2):
        assert b"Opening this page changed nothing" in client.get(address).content
        assert client.head(address).status_code == 200
    row.refresh_from_db()
    assert row.acknowledged_at is None
    response = client.post(address)
    assert response.status_code == 303
    done = client.get(address)
    assert "It is yours" in done.content.decode()
    row.refresh_from_db()
    assert row.acknowledged_by == anna
    work(3600)
    assert len(mail.mails) == 1
    page = queries.page_of(row.pk)
    assert page is not None
    assert page.state is PageState.ACKNOWLEDGED
    assert sorted(timeline(row)) == [
        "incidents.acknowledged",
        "incidents.opened",
        "incidents.role_taken",
        "paging.delivered",
        "paging.page_started",
        "paging.stopped",
        "paging.tier_reached",
    ]


def test_nobody_answers_the_next_tier_then_the_fallback_are_paged_and_the_end_is_loud(
    mail: Mailbox, work: Work, time: ManualClock
) -> None:
    anna, ben, lead = person("Anna", "email"), person("Ben", "email"), person("Lead", "email")
    policy(anna, ben, fallback=lead, repeat=1)
    row = incident()
    began = time.now()
    work(2000)
    seen = [
        ((at - began).total_seconds(), str(m["to"]).split("@")[0]) for at, m in zip(mail.times, mail.mails, strict=True)
    ]
    assert seen == [(0, "anna"), (300, "ben"), (600, "anna"), (900, "ben"), (1200, "lead")]
    page = queries.page_of(row.pk)
    assert page is not None
    assert page.loud
    assert timeline(row)[-1] == "paging.exhausted"
    assert queries.loud_pages() == 1


def test_who_answers_too_late_is_told_who_has_it(mail: Mailbox, work: Work) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    row = incident()
    work(301)
    first, second = link_in(mail, 0), link_in(mail, 1)
    Client().post(second)
    page = Client().post(first, follow=True).content.decode()
    assert "Ben has it since" in page
    assert "does nothing any more" in page
    row.refresh_from_db()
    assert row.acknowledged_by == ben


def test_an_unknown_and_an_expired_link_say_so_and_change_nothing(mail: Mailbox, work: Work, time: ManualClock) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    row = incident()
    work()
    assert Client().post("/ack/nonsense/").status_code == 404
    time.advance(24 * 3600 + 1)
    assert Client().post(link_in(mail)).status_code == 410
    row.refresh_from_db()
    assert row.acknowledged_at is None


def test_the_link_is_stored_only_as_a_hash_and_its_page_tells_nobody_of_it(mail: Mailbox, work: Work) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    incident()
    work()
    address = link_in(mail)
    token = address.split("/")[2]
    assert token.encode() not in bytes(AckLink.objects.get().digest)
    response = Client().get(address)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response.headers["Cache-Control"]
    assert "script-src" not in response.headers["Content-Security-Policy"]
    assert len(response.content) < 8192


def test_resolved_tells_only_those_who_were_reached_and_only_once(mail: Mailbox, work: Work, time: ManualClock) -> None:
    anna, ben, lead = person("Anna", "email", "in_app"), person("Ben", "email"), person("Lead", "email")
    policy(anna, ben, fallback=lead)
    row = incident()
    work(10)
    incidents.resolve(row.pk, user=anna)
    work(10)
    assert [(m["to"], str(m["subject"])[:4]) for m in mail.mails[1:]] == [("anna@example.org", "Over")]
    page = queries.page_of(row.pk)
    assert page is not None
    assert page.state is PageState.STOPPED


def test_resolved_before_it_was_announced_sends_nothing(mail: Mailbox, work: Work) -> None:
    anna = person("Anna", "email")
    policy(anna, fallback=anna)
    row = incident()
    incidents.resolve(row.pk, user=anna)
    work(60)
    assert mail.mails == []


def test_a_mail_server_that_is_down_delays_and_the_webhook_is_used_meanwhile(
    mail: Mailbox, sink: Sink, work: Work, time: ManualClock
) -> None:
    anna, ben = person("Anna", "email", sink.url), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    mail.answer = lambda: "451 4.3.0 try again later"
    row = incident()
    work(20)
    assert [body["data"]["incident"] for _, body in sink.requests] == ["INC-318"]
    mail.answer = lambda: None
    work(60)
    assert len(mail.mails) == 1
    assert timeline(row).count("paging.delivery_delayed") == 1
    assert Delivery.objects.filter(state=DeliveryState.ACCEPTED).count() == 2


def test_a_refused_way_fails_loudly_and_the_next_tier_is_paged_at_once(mail: Mailbox, work: Work) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    replies = iter(["550 5.1.1 no such mailbox"])
    mail.answer = lambda: next(replies, None)
    row = incident()
    work()
    assert [m["to"] for m in mail.mails] == ["ben@example.org"]
    assert "paging.delivery_failed" in timeline(row)
    failed = Delivery.objects.get(state=DeliveryState.FAILED)
    assert failed.answer == "550 5.1.1 no such mailbox"


def test_a_call_for_help_pages_the_next_tier_and_a_helper_ends_it(mail: Mailbox, work: Work) -> None:
    anna, ben, lead = person("Anna", "email"), person("Ben", "email"), person("Lead", "email")
    policy(anna, ben, fallback=lead)
    row = incident()
    work()
    Client().post(link_in(mail))
    work(10)
    incidents.ask_help(row.pk, user=anna)
    work()
    assert [m["to"] for m in mail.mails] == ["anna@example.org", "ben@example.org"]
    page = Client().get(link_in(mail)).content.decode()
    assert "Anna has it and asked for help" in page
    Client().post(link_in(mail))
    work(2000)
    assert len(mail.mails) == 2
    row.refresh_from_db()
    assert row.acknowledged_by == anna
    assert "paging.help_answered" in timeline(row)


def test_what_was_mitigated_and_fails_again_pages_from_the_first_tier(mail: Mailbox, work: Work) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    row = incident()
    work()
    Client().post(link_in(mail))
    work(5)
    from hemostat.base.texts import Text
    from hemostat.events.rules import SYSTEM

    incidents.mitigate(row.pk, actor=SYSTEM, reason=Text("incidents.by_itself"))
    work(5)
    incidents.relapse(row.pk)
    work()
    assert [m["to"] for m in mail.mails] == ["anna@example.org"] * 2


def test_severity_raised_to_p0_pages_the_rest_of_the_chain_at_once(mail: Mailbox, work: Work) -> None:
    anna, ben, carl = person("Anna", "email"), person("Ben", "email"), person("Carl", "email")
    policy(anna, ben, carl, fallback=carl)
    row = incident(severity=2)
    work(20)
    assert len(mail.mails) == 1
    Incident.objects.filter(pk=row.pk).update(severity=0)
    from django.db import transaction

    from hemostat.events import actions as events
    from hemostat.events.rules import SYSTEM

    with transaction.atomic():
        events.record("incidents.severity_raised", actor=SYSTEM, subjects=[incidents.ref(row)], at=clock.now())
    work()
    assert sorted(str(m["to"])[0] for m in mail.mails) == ["a", "b", "c"]


def test_the_record_page_tells_every_try_and_why(mail: Mailbox, sink: Sink, work: Work) -> None:
    anna, ben = person("Anna", "email", sink.url), person("Ben", "email")
    policy(anna, ben, fallback=ben)
    replies = iter(["550 5.1.1 no such mailbox"])
    mail.answer = lambda: next(replies, None)
    row = incident()
    client = Client()
    client.force_login(anna, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "Paging has not begun" in client.get(f"/incidents/{row.code}/pages/").content.decode()
    work(301)
    page = client.get(f"/incidents/{row.code}/pages/").content.decode()
    for words in ("550 5.1.1 no such mailbox", "Paged, tier 1 of 2: Anna", "nobody answered in time", "Ben"):
        assert words in page
    assert "s3cret-path" not in page
    assert client.get("/incidents/INC-9/pages/").status_code == 404
