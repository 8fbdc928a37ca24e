"""The pages for people and for oneself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from hemostat.people import actions, queries
from hemostat.people.models import ApiToken, User
from hemostat.people.rules import Role

pytestmark = pytest.mark.django_db


def test_the_list_shows_everybody_and_what_they_are(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    client = signed_in()
    shut = person(Role.VIEWER)
    actions.deactivate(shut.pk, actor=queries.ref(shut))
    page = client.get("/settings/people/").content.decode()
    assert "owner@example.com" in page
    assert "viewer@example.com" in page
    assert "can no longer sign in" in page


def test_an_owner_changes_a_role_and_the_last_owner_keeps_theirs(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    client = signed_in()
    bob = person(Role.VIEWER)
    answer = client.post(f"/settings/people/{bob.pk}/", {"role": "manager"}, follow=True)
    assert "Viewer is now Manager." in answer.content.decode()
    owner = User.objects.get(email="owner@example.com")
    refused = client.post(f"/settings/people/{owner.pk}/", {"role": "viewer"})
    assert refused.status_code == 422
    assert "is the last owner" in refused.content.decode()
    refused = client.post(f"/settings/people/{owner.pk}/deactivate/")
    assert refused.status_code == 409
    owner.refresh_from_db()
    assert (owner.role, owner.is_active) == ("owner", True)


def test_asking_to_shut_somebody_out_changes_nothing_until_confirmed(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    client = signed_in()
    bob = person(Role.VIEWER)
    assert "Shut out Viewer?" in client.get(f"/settings/people/{bob.pk}/deactivate/").content.decode()
    assert client.get(f"/settings/people/{bob.pk}/reactivate/").status_code == 405
    bob.refresh_from_db()
    assert bob.is_active
    client.post(f"/settings/people/{bob.pk}/deactivate/")
    bob.refresh_from_db()
    assert not bob.is_active
    client.post(f"/settings/people/{bob.pk}/reactivate/")
    bob.refresh_from_db()
    assert bob.is_active


def test_a_second_person_with_the_same_address_is_refused_with_what_was_typed_kept(
    signed_in: Callable[..., Client],
) -> None:
    answer = signed_in().post("/settings/people/add/", {"name": "Eve", "email": "OWNER@example.com", "role": "viewer"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "There already is somebody" in page
    assert 'value="Eve"' in page


def test_the_profile_is_saved_and_pages_follow_it(signed_in: Callable[..., Client]) -> None:
    client = signed_in(Role.VIEWER)
    data = {"name": "Vi", "time_zone": "Europe/Berlin", "language": "en", "theme": "dark"}
    page = client.post("/profile/", data, follow=True).content.decode()
    assert "Your profile is saved." in page
    assert '<meta name="color-scheme" content="dark">' in page
    user = User.objects.get()
    assert (user.name, user.time_zone, user.theme) == ("Vi", "Europe/Berlin", "dark")
    refused = client.post("/profile/", {**data, "time_zone": "Moon/Crater"})
    assert refused.status_code == 422
    user.refresh_from_db()
    assert user.time_zone == "Europe/Berlin"


def test_a_token_is_shown_once_and_revoked_after_asking(signed_in: Callable[..., Client]) -> None:
    client = signed_in(Role.VIEWER)
    made = client.post("/profile/tokens/", {"name": "laptop"})
    text = made.context["text"]
    assert text in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    profile = client.get("/profile/").content.decode()
    assert text not in profile
    assert "laptop" in profile
    token = ApiToken.objects.get()
    assert "Revoke “laptop”?" in client.get(f"/profile/tokens/{token.pk}/revoke/").content.decode()
    assert queries.holder_of(text) is not None
    page = client.post(f"/profile/tokens/{token.pk}/revoke/", follow=True).content.decode()
    assert "no longer works" in page
    assert queries.holder_of(text) is None


def test_nobody_revokes_another_persons_token_on_their_profile(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    owner = person(Role.OWNER)
    token, _text = actions.create_token(user=owner, name="laptop", actor=queries.ref(owner))
    client = signed_in(Role.VIEWER)
    assert client.post(f"/profile/tokens/{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("path", ["/nowhere/", "/settings/people/999999/"])
def test_an_address_without_anything_is_a_styled_404(signed_in: Callable[..., Client], path: str) -> None:
    answer = signed_in().get(path)
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_too_little_permission_is_a_styled_403(signed_in: Callable[..., Client]) -> None:
    answer = signed_in(Role.MANAGER).get("/settings/people/")
    assert answer.status_code == 403
    assert "This is not yours to open" in answer.content.decode()


def test_a_form_without_its_key_changes_nothing(person: Callable[..., User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(Role.VIEWER))
    answer = client.post("/profile/tokens/", {"name": "laptop"})
    assert answer.status_code == 403
    assert "too old to be believed" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_our_own_failure_is_a_styled_500_that_asks_the_database_for_nothing(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., object]
) -> None:
    from django.test import RequestFactory

    from hemostat.site import error_pages

    with django_assert_num_queries(0):
        answer = error_pages.server_error(RequestFactory().get("/profile/"))
    assert answer.status_code == 500
    assert "Something failed on our side" in answer.content.decode()
