"""Contact methods: one works only after the code that was sent through it came back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from hemostat.base.clock import ManualClock
from hemostat.base.refusals import RefusedError
from hemostat.channels import actions, queries
from hemostat.channels.models import ContactMethod, Notice
from hemostat.channels.rules import OutcomeKind
from hemostat.events.rules import CONSOLE
from hemostat.people.models import User
from tests.channels.contract import message
from tests.paging.world import Mailbox, Sink, person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anna(time: ManualClock) -> User:
    return person("Anna")


def add(user: User, kind: str = "email", address: str = "anna@example.org") -> ContactMethod:
    return actions.add_method(user=user, kind=kind, address=address, actor=CONSOLE).method


def code_in(mail: Mailbox) -> str:
    found = re.match(r"\d{6}", str(mail.mails[-1]["subject"]))
    assert found is not None
    return found.group()


def test_a_way_counts_only_after_the_code_came_back(anna: User, mail: Mailbox) -> None:
    method = add(anna)
    assert queries.working_ways([anna.pk]) == {}
    assert actions.send_code(method.pk, user=anna).kind is OutcomeKind.ACCEPTED
    actions.verify(method.pk, f" {code_in(mail)} ", user=anna)
    (way,) = queries.working_ways([anna.pk])[anna.pk]
    assert (way.kind, way.label, way.wakes) == ("email", "anna@example.org", True)
    assert queries.without_way() == []


def test_a_wrong_code_proves_nothing_and_five_wrong_ones_spend_it(anna: User, mail: Mailbox) -> None:
    method = add(anna)
    actions.send_code(method.pk, user=anna)
    right = code_in(mail)
    wrong = "000000" if right != "000000" else "000001"
    for _ in range(5):
        with pytest.raises(RefusedError, match="not the code"):
            actions.verify(method.pk, wrong, user=anna)
    with pytest.raises(RefusedError, match="run out"):
        actions.verify(method.pk, right, user=anna)
    assert queries.working_ways([anna.pk]) == {}


def test_a_code_runs_out_and_cannot_be_used_twice(anna: User, mail: Mailbox, time: ManualClock) -> None:
    method = add(anna)
    actions.send_code(method.pk, user=anna)
    time.advance(15 * 60 + 1)
    with pytest.raises(RefusedError, match="run out"):
        actions.verify(method.pk, code_in(mail), user=anna)
    actions.send_code(method.pk, user=anna)
    actions.verify(method.pk, code_in(mail), user=anna)
    with pytest.raises(RefusedError):
        actions.verify(method.pk, code_in(mail), user=anna)


def test_codes_are_not_sent_in_a_row(anna: User, mail: Mailbox) -> None:
    method = add(anna)
    actions.send_code(method.pk, user=anna)
    with pytest.raises(RefusedError, match="a moment ago"):
        actions.send_code(method.pk, user=anna)
    assert len(mail.mails) == 1


def test_addresses_codes_and_secrets_are_sealed_in_the_database(anna: User, sink: Sink, mail: Mailbox) -> None:
    added = actions.add_method(user=anna, kind="webhook", address=sink.url, actor=CONSOLE)
    actions.send_code(added.method.pk, user=anna)
    row = ContactMethod.objects.get()
    code = sink.requests[-1][1]["data"]["code"]
    for stored in (row.address, row.secret, row.code, row.label, row.destination):
        assert "s3cret-path" not in stored
        assert added.secret not in stored
        assert code not in stored
    opened = queries.address(row.pk)
    assert opened is not None
    assert (opened.address, opened.secret) == (sink.url, added.secret)


def test_nobody_touches_anothers_ways(anna: User, mail: Mailbox) -> None:
    ben = person("Ben")
    method = add(anna)
    for act in (actions.send_code, actions.send_test):
        with pytest.raises(RefusedError):
            act(method.pk, user=ben)
    assert not actions.remove_method(method.pk, user=ben, actor=CONSOLE)
    assert mail.mails == []


def test_the_same_way_twice_is_refused(anna: User) -> None:
    add(anna)
    with pytest.raises(RefusedError) as refusal:
        add(anna, address=" anna@example.org")
    assert refusal.value.conflict


def test_an_unknown_channel_is_refused_by_field(anna: User) -> None:
    with pytest.raises(RefusedError) as refusal:
        add(anna, kind="pigeon")
    assert refusal.value.field == "kind"


def test_the_order_is_the_persons_own(anna: User) -> None:
    first = actions.add_method(user=anna, kind="in_app", address="", actor=CONSOLE).method
    second = add(anna)
    actions.order_methods([second.pk], user=anna)
    assert [m.id for m in queries.methods_of(anna)] == [second.pk, first.pk]


def test_a_notice_is_shown_once_however_often_it_is_delivered_and_until_it_is_seen(anna: User) -> None:
    for _ in range(2):
        actions.put_notice(anna.pk, message())
    (notice,) = queries.unseen(anna)
    assert notice.text.startswith("P1 Payment success")
    assert notice.url == "https://hemo.example/i"
    assert not actions.see(notice.id, user=person("Ben"))
    assert actions.see(notice.id, user=anna)
    assert queries.unseen(anna) == []
    assert Notice.objects.count() == 1


@pytest.fixture
def browser(anna: User) -> Client:
    client = Client()
    client.force_login(anna, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_on_the_page_a_way_is_added_proven_tried_and_removed(anna: User, mail: Mailbox, browser: Client) -> None:
    page: Any = browser.post("/profile/ways/", {"kind": "email", "address": "anna@example.org"}, follow=True)
    assert "not proven" in page.content.decode()
    method = ContactMethod.objects.get()
    wrong = browser.post(f"/profile/ways/{method.pk}/verify/", {"code": "nonsense"})
    assert wrong.status_code == 422
    assert "This is not the code" in wrong.content.decode()
    page = browser.post(f"/profile/ways/{method.pk}/verify/", {"code": code_in(mail)}, follow=True)
    assert "It works" in page.content.decode()
    page = browser.post(f"/profile/ways/{method.pk}/test/", follow=True)
    assert "A test message was taken" in page.content.decode()
    assert str(mail.mails[-1]["subject"]).startswith("Test of Hemostat")
    page = browser.post(f"/profile/ways/{method.pk}/remove/", follow=True)
    assert "Nothing can reach you yet" in page.content.decode()


def test_the_signing_secret_of_a_webhook_is_shown_once(anna: User, sink: Sink, mail: Mailbox, browser: Client) -> None:
    page = browser.post("/profile/ways/", {"kind": "webhook", "address": sink.url}).content.decode()
    assert "whsec_" in page
    assert "whsec_" not in browser.get("/profile/ways/").content.decode()
    assert "s3cret-path" not in browser.get("/profile/ways/").content.decode()


def test_an_address_that_is_refused_is_kept_in_the_form_with_the_reason(browser: Client, anna: User) -> None:
    page = browser.post("/profile/ways/", {"kind": "email", "address": "not an address"})
    assert page.status_code == 422
    assert "is not an e-mail address" in page.content.decode()
    assert 'value="not an address"' in page.content.decode()


def test_a_notice_is_on_every_page_until_seen(anna: User, browser: Client) -> None:
    actions.put_notice(anna.pk, message())
    assert "P1 Payment success" in browser.get("/profile/ways/").content.decode()
    browser.post(f"/notices/{Notice.objects.get().pk}/seen/")
    assert "P1 Payment success" not in browser.get("/profile/ways/").content.decode()
