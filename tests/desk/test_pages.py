"""Pages that change something, and what they refuse."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from django.test import Client

from hemostat.base import clock
from hemostat.base.csp import POLICY
from hemostat.events.models import Event
from hemostat.incidents.models import Incident, IncidentRole
from hemostat.incidents.rules.states import State
from hemostat.intake.models import Source
from hemostat.oncall.models import Schedule
from hemostat.paging.models import Policy
from hemostat.people.rules import Role
from tests.browser import scenes
from tests.browser.scenes import World

pytestmark = pytest.mark.django_db


def _client(world: World) -> Client:
    client = Client()
    client.force_login(world.reader)
    return client


def test_a_new_source_shows_its_token_once_and_in_the_configuration() -> None:
    client = _client(scenes.nothing())
    answer = client.post("/add-source/", {"name": "shop", "protocol": "otlp", "environment": "production"})
    source = Source.objects.get(name="shop")
    token = answer.context["token"]
    page = answer.content.decode()
    assert token.startswith(f"hs_{source.public_id}_")
    assert f"Authorization=Bearer {token}" in page.replace("&quot;", '"')
    assert "no-store" in answer.headers["Cache-Control"]
    assert token not in client.get(f"/sources/{source.slug}/").content.decode()


def test_a_source_that_is_refused_names_the_field_and_keeps_what_was_typed() -> None:
    client = _client(scenes.nothing())
    page = client.post(
        "/add-source/", {"name": "shop", "protocol": "carrier pigeon", "environment": "prod-eu"}
    ).content.decode()
    assert 'class="err"' in page
    assert 'value="shop"' in page
    assert 'value="prod-eu"' in page
    assert not Source.objects.exists()


def test_a_new_token_stops_the_old_one_and_a_stopped_source_stays_in_the_list() -> None:
    world = scenes.calm()
    client = _client(world)
    before = Source.objects.get(slug="shop-collector").public_id
    assert client.post("/sources/shop-collector/rotate/").status_code == 200
    assert Source.objects.get(slug="shop-collector").public_id != before
    assert client.post("/sources/shop-collector/revoke/").status_code == 303
    assert Source.objects.get(slug="shop-collector").revoked_at is not None
    assert "stopped" in client.get("/sources/").content.decode()
    again = client.post("/sources/shop-collector/rotate/", follow=True)
    assert "note-bad" in again.content.decode()


def test_a_viewer_sees_sources_and_may_not_change_them() -> None:
    world = scenes.calm()
    world.reader.role = Role.VIEWER
    world.reader.save()
    client = _client(world)
    assert "Add a source</button>" not in client.get("/sources/").content.decode()
    answer = client.post("/add-source/", {"name": "x", "protocol": "otlp", "environment": "production"})
    assert answer.status_code == 403
    assert "not yours to open" in answer.content.decode()


def test_one_press_puts_the_first_person_on_call_when_they_can_be_reached() -> None:
    world = scenes.nothing()
    client = _client(world)
    refused = client.post("/set-up/start-alone/", follow=True).content.decode()
    assert "note-bad" in refused
    assert not Schedule.objects.exists(), "half a set-up was left behind"
    scenes._reach(world.reader, "email", world.reader.email)
    client.post("/set-up/start-alone/")
    assert Policy.objects.get().is_default
    assert [t.user for t in Schedule.objects.get().turns.all()] == [world.reader]


def test_a_note_stands_on_the_timeline_and_an_empty_one_is_refused() -> None:
    world = scenes.open_incident()
    client = _client(world)
    client.post(f"/incidents/{world.code}/note/", {"text": "pool is <full>"})
    page = client.get(f"/incidents/{world.code}/").content.decode()
    assert "Platform on call: pool is &lt;full&gt;" in page
    before = Event.objects.count()
    assert "note-bad" in client.post(f"/incidents/{world.code}/note/", {"text": "  "}, follow=True).content.decode()
    assert Event.objects.count() == before


def test_a_role_is_taken_and_a_role_that_does_not_exist_is_not_found() -> None:
    world = scenes.open_incident()
    client = _client(world)
    client.post(f"/incidents/{world.code}/roles/communicator/")
    assert IncidentRole.objects.get(role="communicator").user == world.reader
    assert client.post(f"/incidents/{world.code}/roles/emperor/").status_code == 404


def test_pressing_twice_changes_nothing_twice_and_says_so() -> None:
    world = scenes.open_incident()
    client = _client(world)
    client.post(f"/incidents/{world.code}/acknowledge/")
    events = Event.objects.count()
    again = client.post(f"/incidents/{world.code}/acknowledge/", follow=True).content.decode()
    assert "It was answered before you pressed" in again
    assert Event.objects.count() == events


def test_a_mitigated_incident_is_closed_by_hand() -> None:
    world = scenes.recovered()
    _client(world).post(f"/incidents/{world.code}/resolve/")
    assert Incident.objects.get(number=318).state == State.RESOLVED


def test_a_plan_that_is_gone_starts_nothing_and_says_so() -> None:
    world = scenes.open_incident()
    page = _client(world).post(f"/incidents/{world.code}/run/", {"plan": "999999"}, follow=True).content.decode()
    assert "nothing was started" in page
    assert Incident.objects.get(number=318).state == State.OPEN


def test_reading_changes_nothing() -> None:
    world = scenes.open_incident()
    client = _client(world)
    for action in ("acknowledge/", "run/", "help/", "resolve/", "note/", "roles/commander/"):
        assert client.get(f"/incidents/{world.code}/{action}").status_code == 405
    assert Incident.objects.get(number=318).state == State.OPEN


@pytest.mark.parametrize("code", ["INC-999", "inc", "INC-", "INC-1e3", "318", "INC-99999999999999999999"])
def test_an_incident_that_does_not_exist_is_not_found(code: str) -> None:
    world = scenes.open_incident()
    assert _client(world).get(f"/incidents/{code}/").status_code == 404


def test_a_code_in_small_letters_leads_to_the_one_address() -> None:
    world = scenes.open_incident()
    answer = _client(world).get("/incidents/inc-318/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/incidents/INC-318/")


@pytest.mark.parametrize("show", ["", "open", "severe", "mine", "nonsense"])
def test_the_list_of_incidents_filters(show: str) -> None:
    world = scenes.busy()
    rows = _client(world).get(f"/incidents/?show={show}").context["rows"]
    wanted = {"open": {318, 317, 315}, "severe": {318, 302, 287}, "mine": set()}
    everything = {318, 317, 315, 311, 306, 302, 287}
    assert {int(r.incident.code[4:]) for r in rows} == wanted.get(show, everything)


def test_every_page_carries_the_strict_policy() -> None:
    client = _client(scenes.calm())
    for path in ("/", "/sources/", "/nowhere/", "/accounts/logout/"):
        assert client.get(path).headers["Content-Security-Policy"] == POLICY


def test_no_page_writes_a_style_or_a_script_into_its_html() -> None:
    world = scenes.busy()
    client = _client(world)
    for path in (
        "/",
        "/incidents/",
        f"/incidents/{world.code}/",
        f"/incidents/{world.code}/diagnosis/",
        "/sources/",
        "/set-up/",
        "/design/",
    ):
        page = client.get(path).content.decode()
        assert " style=" not in page, path
        assert "<style" not in page, path
        assert " onclick=" not in page, path


def _mail(folder: Path, name: str, html: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "P0 · Payment", "hemostat@localhost", "platform@example.com"
    message.set_content("Acknowledge: http://localhost:8080/ack/abc/")
    message.add_alternative(html, subtype="html")
    (folder / f"{name}.eml").write_bytes(bytes(message))


def test_the_mailbox_is_there_only_in_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEMOSTAT_DEMO_MAILBOX", raising=False)
    assert _client(scenes.calm()).get("/demo/mailbox/").status_code == 404


def test_the_mailbox_shows_messages_in_a_frame_that_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMOSTAT_DEMO_MAILBOX", str(tmp_path))
    client = _client(scenes.calm())
    assert "Nothing has arrived yet" in client.get("/demo/mailbox/").content.decode()
    _mail(
        tmp_path,
        "1795277369000000000",
        "<html><head></head><body><script>alert(1)</script><a href='/ack/abc/'>Ack</a></body></html>",
    )
    assert "P0 · Payment" in client.get("/demo/mailbox/").content.decode()
    page = client.get("/demo/mailbox/1795277369000000000/").content.decode()
    assert 'sandbox="' in page
    assert "allow-scripts" not in page
    assert '<a href="http://localhost:8080/ack/abc/"' in page
    body = client.get("/demo/mailbox/1795277369000000000/body/")
    assert "default-src 'none'" in body.headers["Content-Security-Policy"]
    assert "sandbox" in body.headers["Content-Security-Policy"]
    assert "script-src" not in body.headers["Content-Security-Policy"]
    assert '<base target="_top">' in body.content.decode()


@pytest.mark.parametrize("name", ["..", "..%2f..%2fetc%2fpasswd", "1.eml", "abc", "99999999999999999999"])
def test_the_mailbox_opens_nothing_but_messages(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMOSTAT_DEMO_MAILBOX", str(tmp_path / "box"))
    (tmp_path / "box").mkdir()
    (tmp_path / "abc.eml").write_text("Subject: not yours\n\n")
    assert _client(scenes.calm()).get(f"/demo/mailbox/{name}/").status_code == 404


def test_now_is_calm_only_when_somebody_would_be_paged() -> None:
    world = scenes.nothing()
    page = _client(world).get("/").content.decode()
    assert "All is calm" not in page
    assert "it is not sure that anybody would be told" in page


def test_now_says_that_all_is_calm_and_proves_it() -> None:
    world = scenes.calm()
    with clock.using(world.clock):
        page = _client(world).get("/").content.decode()
    assert "All is calm" in page
    assert "Every open incident has a page or a reason" in page
