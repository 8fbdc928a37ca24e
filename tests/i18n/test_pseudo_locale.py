"""Every page can be translated: no text that people read stands outside gettext.

A page is added by a line in `PAGES`; names and other data that it shows go into `DATA`, or stand in an element with
`translate="no"`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils.translation import trans_real

from hemostat.events.rules import CONSOLE
from hemostat.people import actions, invitations, queries
from hemostat.people.models import User
from hemostat.people.rules import Role
from tests.i18n.pseudo import PseudoTranslation, unmarked

pytestmark = pytest.mark.django_db
PASSWORD = "a long walk at night"
PRODUCTS = ("Hemostat", "OpenTelemetry", "OTLP/HTTP", "Alertmanager")
DATA = (*PRODUCTS, "Ada Byron", "ada@example.com", "Vi Reader", "vi@example.com", "laptop", "AB", "VR")

PAGES: list[tuple[str, Role | None]] = [
    ("/accounts/login/", None),
    ("/accounts/logout/", Role.OWNER),
    ("/accounts/inactive/", None),
    ("/accounts/again/", Role.OWNER),
    ("/accounts/password/", Role.OWNER),
    ("/accounts/recovery/new/", Role.OWNER),
    ("/accounts/codes/set-up/", Role.OWNER),
    ("/profile/", Role.OWNER),
    ("/profile/", Role.VIEWER),
    ("/profile/tokens/{token}/revoke/", Role.OWNER),
    ("/settings/people/", Role.OWNER),
    ("/settings/people/", Role.VIEWER),
    ("/settings/people/add/", Role.OWNER),
    ("/settings/people/{viewer}/", Role.OWNER),
    ("/settings/people/{viewer}/deactivate/", Role.OWNER),
    ("/join/{viewer}/{invitation}/", None),
    ("/join/{viewer}/ended/", None),
    ("/nowhere/", Role.OWNER),
    ("/", Role.OWNER),
    ("/incidents/", Role.OWNER),
    ("/sources/", Role.OWNER),
    ("/set-up/", Role.OWNER),
    ("/plans/", Role.OWNER),
    ("/ack/nothing/", None),
]

POSTS: list[tuple[str, dict[str, str], Role | None]] = [
    ("/accounts/login/", {"login": "ada@example.com", "password": "wrong"}, None),
    ("/accounts/login/", {}, None),
    ("/profile/", {}, Role.OWNER),
    ("/profile/tokens/", {"name": "laptop"}, Role.OWNER),
    ("/profile/tokens/", {}, Role.OWNER),
    ("/settings/people/add/", {"name": "Vi Reader", "email": "vi@example.com", "role": "viewer"}, Role.OWNER),
    ("/settings/people/{owner}/", {"role": "viewer"}, Role.OWNER),
    ("/settings/people/{owner}/deactivate/", {}, Role.OWNER),
    ("/settings/people/{viewer}/invite/", {}, Role.OWNER),
    ("/join/{viewer}/{invitation}/", {"password": "123"}, None),
    ("/add-source/", {}, Role.OWNER),
    ("/accounts/password/", {"oldpassword": "x", "password1": "1", "password2": "2"}, Role.OWNER),
]


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let English stand in marks for the duration of the test."""
    translation = PseudoTranslation("en")
    monkeypatch.setitem(trans_real._translations, "en", translation)
    monkeypatch.setattr(trans_real, "_default", translation)
    before = getattr(trans_real._active, "value", None)
    trans_real._active.value = translation
    yield
    trans_real._active.value = before


class World:
    """An owner with a token, and a viewer."""

    def __init__(self) -> None:
        self.people: dict[Role | None, User] = {
            Role.OWNER: self._add("ada@example.com", "Ada Byron", Role.OWNER, PASSWORD),
            Role.VIEWER: self._add("vi@example.com", "Vi Reader", Role.VIEWER, None),
        }
        owner = self.people[Role.OWNER]
        token, _text = actions.create_token(user=owner, name="laptop", actor=queries.ref(owner))
        self.names = {
            "owner": owner.pk,
            "viewer": self.people[Role.VIEWER].pk,
            "token": token.pk,
            "invitation": invitations.make(self.people[Role.VIEWER]),
        }

    @staticmethod
    def _add(email: str, name: str, role: Role, password: str | None) -> User:
        return actions.add_user(email=email, name=name, role=role, password=password, actor=CONSOLE)

    def client(self, role: Role | None) -> Client:
        """A browser of somebody with `role`, or of nobody."""
        client = Client()
        if role is not None:
            client.force_login(self.people[role])
        return client


@pytest.fixture
def world(db: None) -> World:
    """What the pages show."""
    return World()


def assert_marked(page: str) -> None:
    assert "⟦" in page
    left = unmarked(page, DATA)
    assert not left, f"not translated: {left}"


@pytest.mark.parametrize(("path", "role"), PAGES, ids=str)
def test_a_page_has_no_text_outside_gettext(world: World, pseudo: None, path: str, role: Role | None) -> None:
    answer = world.client(role).get(path.format(**world.names), follow=True)
    assert answer["Content-Type"].startswith("text/html")
    assert_marked(answer.content.decode())


@pytest.mark.parametrize(("path", "body", "role"), POSTS, ids=str)
def test_a_page_that_answers_a_press_has_no_text_outside_gettext(
    world: World, pseudo: None, path: str, body: dict[str, str], role: Role | None
) -> None:
    answer = world.client(role).post(path.format(**world.names), body, follow=True)
    assert answer["Content-Type"].startswith("text/html")
    assert_marked(answer.content.decode())


@pytest.mark.parametrize("body", [None, {}, {"code": "AAAA", "name": "Ada Byron", "email": "ada@example.com"}])
def test_the_first_run_has_no_text_outside_gettext(pseudo: None, body: dict[str, str] | None) -> None:
    client = Client()
    if body:
        actions.issue_setup_code()
        body = {**body, "password": PASSWORD}
    answer = client.get("/setup/") if body is None else client.post("/setup/", body)
    assert_marked(answer.content.decode())


def test_text_outside_the_marks_is_found_wherever_people_read_it() -> None:
    page = """<title>⟦Now⟧ · Hemostat</title><p>⟦Two <b>words</b>⟧ 12 %</p><p>Forgotten</p><pre>data</pre>
    <img alt="A picture"><button aria-label="⟦Close⟧">x</button><select translate="no"><option>UTC</select>
    <p>⟦outer ⟦inner⟧ outer⟧ tail</p><style>p{}</style>"""
    assert unmarked(page, ["Hemostat"]) == ["Forgotten", "A picture", "tail"]
