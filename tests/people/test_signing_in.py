"""The first run, signing in with one and two steps, and signing out: all without JavaScript."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.events import queries as events
from hemostat.people import actions, chores, queries
from hemostat.people.models import User
from hemostat.people.rules import Role

PASSWORD = "a long walk at night"
pytestmark = pytest.mark.django_db
FIRST = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}


def code_of(secret: str) -> str:
    """What the authenticator app shows now."""
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str) -> object:
    return client.post(reverse("account_login"), {"login": email, "password": password, **more})


def kinds(user: User) -> list[str]:
    return [e.kind for e in events.about("user", str(user.pk), newest_first=False)]


@pytest.mark.parametrize("path", ["/accounts/login/", "/profile/", "/settings/people/"])
def test_while_there_is_no_account_pages_lead_to_the_first_run(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == "/setup/"


def test_the_first_run_makes_an_owner_who_is_signed_in(client: Client) -> None:
    code = actions.issue_setup_code()
    assert "Make the first account" in client.get("/setup/").content.decode()
    answer = client.post("/setup/", {**FIRST, "code": code})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/profile/").status_code == 200
    user = User.objects.get()
    assert Role(user.role) is Role.OWNER
    assert kinds(user) == ["people.user_added", "people.installation_claimed", "people.signed_in"]
    assert Client().get("/setup/")["Location"] == "/accounts/login/"
    assert Client().post("/setup/", {**FIRST, "code": code})["Location"] == "/accounts/login/"
    assert User.objects.count() == 1


def test_a_wrong_code_keeps_what_was_typed_and_says_what_to_do(client: Client) -> None:
    actions.issue_setup_code()
    answer = client.post("/setup/", {**FIRST, "code": "WRONG"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="WRONG"' in page
    assert 'value="ada@example.com"' in page
    assert "That is not the code" in page
    assert re.search(r'name="code"[^>]*aria-invalid="true"[^>]*aria-describedby="id_code_error"', page)
    assert PASSWORD not in page
    assert not queries.anybody()


def test_signing_in_leads_back_to_where_one_was_going(client: Client, person: Callable[..., User]) -> None:
    user = person(Role.VIEWER)
    wanted = client.get("/profile/?tab=1")["Location"]
    assert wanted == "/accounts/login/?next=%2Fprofile%2F%3Ftab%3D1"
    assert 'value="/profile/?tab=1"' in client.get(wanted).content.decode()
    answer = client.post(wanted, {"login": "VIEWER@example.com", "password": PASSWORD, "next": "/profile/?tab=1"})
    assert answer["Location"] == "/profile/?tab=1"
    assert kinds(user) == ["people.user_added", "people.signed_in"]
    answer = sign_in(Client(), user.email, next="https://evil.example/")
    assert answer["Location"] == "/"


def test_a_part_of_a_page_asked_for_after_the_session_ended_makes_the_whole_page_sign_in(
    client: Client, person: Callable[..., User]
) -> None:
    person()
    answer = client.get(
        "/settings/people/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/incidents/INC-1/?x=1"},
    )
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fincidents%2FINC-1%2F%3Fx%3D1"


def test_a_wrong_password_is_told_on_the_page_and_leaves_an_event(client: Client, person: Callable[..., User]) -> None:
    user = person()
    page = sign_in(client, user.email, "not right").content.decode()
    assert "The address and the password do not belong together." in page
    assert f'value="{user.email}"' in page
    assert "not right" not in page
    same = sign_in(client, "nobody@example.com", "not right").content.decode()
    assert "The address and the password do not belong together." in same
    assert kinds(user) == ["people.user_added", "people.sign_in_failed"]


def test_too_many_wrong_passwords_stop_even_the_right_one_in_every_process(person: Callable[..., User]) -> None:
    user = person()
    for _ in range(5):
        sign_in(Client(), user.email, "not right")
    page = sign_in(Client(), user.email).content.decode()
    assert "Too many wrong tries for this address" in page
    from django.core.cache import caches
    from django.core.cache.backends.db import DatabaseCache

    assert isinstance(caches["default"], DatabaseCache), "counted where all processes see it"


def test_somebody_shut_out_cannot_sign_in_and_their_session_ends(client: Client, person: Callable[..., User]) -> None:
    person()
    user = person(Role.VIEWER)
    sign_in(client, user.email)
    assert client.get("/profile/").status_code == 200
    actions.deactivate(user.pk, actor=queries.ref(user))
    assert client.get("/profile/").status_code == 302
    answer = sign_in(client, user.email)
    page = client.get(answer["Location"]) if answer.status_code == 302 else answer
    assert client.get("/profile/").status_code == 302
    assert page.status_code == 200


def test_signing_out_needs_a_press_and_ends_the_session(client: Client, person: Callable[..., User]) -> None:
    sign_in(client, person().email)
    assert "Sign out?" in client.get("/accounts/logout/").content.decode()
    assert client.get("/profile/").status_code == 200
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/profile/").status_code == 302


def test_sessions_that_have_ended_are_forgotten_and_others_stay(person: Callable[..., User]) -> None:
    user = person()
    staying, leaving = Client(), Client()
    sign_in(staying, user.email, remember="on")
    sign_in(leaving, user.email, remember="on")
    Session.objects.filter(pk=leaving.session.session_key).update(expire_date=clock.now() - timedelta(seconds=1))
    assert chores.work(clock.now()) == 1
    assert staying.get("/profile/").status_code == 200
    assert leaving.get("/profile/").status_code == 302


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/email/", "/accounts/password/reset/"])
def test_nobody_can_sign_up_or_reset_by_mail(client: Client, person: Callable[..., User], path: str) -> None:
    person()
    assert client.get(path).status_code == 404


def test_sign_in_codes_from_setting_up_to_recovery(client: Client, person: Callable[..., User]) -> None:
    user = person()
    sign_in(client, user.email)
    asked = client.get("/accounts/codes/set-up/", follow=True)
    assert "Before keys are changed" in asked.content.decode()
    refused = client.post(asked.redirect_chain[-1][0], {"password": "wrong"})
    assert "That is not your password." in refused.content.decode()
    page = client.post(asked.redirect_chain[-1][0], {"password": PASSWORD}, follow=True)
    secret = page.context["form"].secret
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page.content.decode())
    assert picture
    drawing = ElementTree.fromstring(base64.b64decode(picture[1]))
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg", "browsers draw an SVG image only with its namespace"
    wrong = client.post("/accounts/codes/set-up/", {"code": "000000"})
    assert "That is not the present code" in wrong.content.decode()
    assert not queries.has_totp(user)
    codes = client.post("/accounts/codes/set-up/", {"code": code_of(secret)}, follow=True)
    assert queries.has_totp(user)
    assert queries.recovery_codes_left(user) == 10
    recovery = codes.context["unused_codes"][0]
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert recovery not in stored

    fresh = Client()
    assert sign_in(fresh, user.email)["Location"] == "/accounts/code/"
    assert fresh.get("/profile/").status_code == 302, "the password alone no longer signs in"
    refused = fresh.post("/accounts/code/", {"code": "000000"})
    assert "That is not the present code" in refused.content.decode()
    assert fresh.post("/accounts/code/", {"code": recovery}).status_code == 302
    assert fresh.get("/profile/").status_code == 200
    assert queries.recovery_codes_left(user) == 9
    again = Client()
    sign_in(again, user.email)
    again.post("/accounts/code/", {"code": recovery})
    assert again.get("/profile/").status_code == 302, "a recovery code is good once"

    asked = fresh.get("/accounts/codes/give-up/", follow=True)
    fresh.post(asked.redirect_chain[-1][0], {"password": PASSWORD})
    assert fresh.post("/accounts/codes/give-up/", follow=True).status_code == 200
    assert not queries.has_totp(user)
    assert [k for k in kinds(user) if "totp" in k] == ["people.totp_added", "people.totp_removed"]


def test_changing_the_password_ends_other_sessions(client: Client, person: Callable[..., User]) -> None:
    user = person()
    other = Client()
    sign_in(client, user.email)
    sign_in(other, user.email)
    new = "another long walk by day"
    bad = client.post("/accounts/password/", {"oldpassword": "wrong", "password1": new, "password2": new})
    assert "That is not your password." in bad.content.decode() or bad.status_code == 200
    good = client.post("/accounts/password/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert good["Location"] == "/profile/"
    assert client.get("/profile/").status_code == 200
    assert other.get("/profile/").status_code == 302
    assert "people.password_changed" in kinds(user)


def test_a_link_lets_somebody_choose_a_password_once_and_for_three_days(
    client: Client, signed_in: Callable[..., Client]
) -> None:
    with clock.using(manual := ManualClock(datetime(2026, 11, 19, 14, 0, tzinfo=UTC))):
        owner = signed_in()
        answer = owner.post("/settings/people/add/", {"name": "Bob", "email": "bob@example.com", "role": "responder"})
        link = answer.context["link"].removeprefix("http://localhost:8080")
        assert "no-store" in answer["Cache-Control"]
        assert client.get(link)["Referrer-Policy"] == "no-referrer"
        weak = client.post(link, {"password": "bob@example.com"})
        assert weak.status_code == 422
        assert client.post(link, {"password": PASSWORD})["Location"] == "/accounts/login/"
        assert client.get(link).status_code == 410
        assert sign_in(client, "bob@example.com")["Location"] == "/"

        bob = User.objects.get(email="bob@example.com")
        late = owner.post(f"/settings/people/{bob.pk}/invite/").context["link"].removeprefix("http://localhost:8080")
        assert Client().get(late).status_code == 200
        manual.advance(timedelta(days=3, minutes=1).total_seconds())
        assert Client().get(late).status_code == 410
        assert Client().get(late[:-3] + "xx/").status_code == 410
