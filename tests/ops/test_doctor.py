"""The doctor sees what is wrong, says what to do, and leaves what is well alone."""

from __future__ import annotations

import json
import os
import socket
from datetime import time, timedelta
from pathlib import Path

import pytest

from hemostat.base import clock, due
from hemostat.base.actions import beat
from hemostat.base.models import Heartbeat
from hemostat.channels.models import ContactMethod
from hemostat.events.actions import record
from hemostat.events.models import Reaction
from hemostat.events.rules import CONSOLE
from hemostat.intake.actions import add_source
from hemostat.oncall.models import Schedule, Turn
from hemostat.people.actions import add_user
from hemostat.people.models import User
from hemostat.people.rules import Role
from hemostat.site.config import Config
from hemostat.site.doctor import contents, machine
from hemostat.site.doctor.findings import Finding, State, fine, is_wrong, show, wrong
from tests.installation import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(tmp_path: Path) -> Config:
    """Settings of an installation that is not running."""
    return Config(data_dir=str(tmp_path), web_port=free_port(), intake_port=free_port())


def contents_of(settings: Config) -> dict[str, list[Finding]]:
    """What is found in the database, by check."""
    found: dict[str, list[Finding]] = {}
    for finding in contents.examine(settings):
        found.setdefault(finding.check, []).append(finding)
    return found


def state(settings: Config, check: str) -> State:
    """How one thing stands; the worst, where there are several."""
    order = [State.FINE, State.NOTE, State.WRONG]
    return max((finding.state for finding in contents_of(settings)[check]), key=order.index)


@pytest.fixture
def ann(db: None) -> User:
    """Somebody with an account and no way to be reached."""
    return add_user(email="ann@example.org", name="Ann", role=Role.OWNER, password=None, actor=CONSOLE)


def reachable(user: User) -> None:
    """Give `user` a verified way."""
    ContactMethod.objects.create(
        user=user, kind="email", label=user.email, destination="mail", verified_at=clock.now(), created_at=clock.now()
    )


def engine_beats(**changes: object) -> None:
    """An engine that wrote its heartbeat just now."""
    now = clock.now()
    row = Heartbeat(process="here:1:a", loop="reactions", leads=True, beat_at=now, started_at=now)
    for name, value in changes.items():
        setattr(row, name, value)
    beat([row], now=now)


def test_an_installation_without_people_is_told_how_to_make_the_first(here: Config) -> None:
    (finding,) = contents_of(here)["people"]
    assert finding.state is State.WRONG
    assert "hemostat setup-code" in finding.do


def test_a_missing_engine_is_wrong_and_a_living_one_is_fine(here: Config) -> None:
    assert state(here, "engine") is State.WRONG
    engine_beats()
    assert state(here, "engine") is State.FINE
    assert state(here, "leader") is State.FINE


def test_engines_without_a_leader_are_wrong(here: Config) -> None:
    engine_beats(leads=False)
    assert state(here, "leader") is State.WRONG


def test_a_heartbeat_of_long_ago_is_of_no_living_engine(here: Config) -> None:
    engine_beats(beat_at=clock.now() - timedelta(minutes=2))
    (finding,) = contents_of(here)["engine"]
    assert finding.state is State.WRONG
    assert "the last one was seen at" in finding.found


def test_a_loop_that_fails_or_hangs_is_named(here: Config) -> None:
    engine_beats(error="ValueError: no", busy_since=clock.now() - timedelta(minutes=5))
    found = [finding.found for finding in contents_of(here)["loop reactions"]]
    assert "ValueError: no" in found
    assert any("one round has run since" in text for text in found)


def test_late_and_parked_rows_are_told_and_retry_cures_them(here: Config) -> None:
    assert state(here, "reactions") is State.FINE
    event = record("incidents.opened", actor=CONSOLE, subjects=[])
    rows = Reaction.objects.filter(event=event)
    rows.update(due_at=clock.now() - timedelta(minutes=3))
    assert "late, the oldest by 3 min" in contents_of(here)["reactions"][0].found
    rows.update(parked_at=clock.now(), last_error="KeyError: gone", attempts=8)
    (finding,) = contents_of(here)["reactions"]
    assert "KeyError: gone" in finding.found
    assert "hemostat retry" in finding.do
    assert due.try_again(Reaction, now=clock.now()) == rows.count() > 0
    assert state(here, "reactions") is State.FINE
    assert len(due.claim(Reaction, now=clock.now())) == rows.count()


def test_people_whom_nothing_reaches_are_named(here: Config, ann: User) -> None:
    assert state(here, "contact") is State.WRONG
    reachable(ann)
    assert state(here, "contact") is State.FINE
    add_user(email="bob@example.org", name="Bob", role=Role.RESPONDER, password=None, actor=CONSOLE)
    (finding,) = contents_of(here)["contact"]
    assert finding.state is State.NOTE
    assert "Bob" in finding.found


def test_nobody_on_call_is_wrong_and_so_is_somebody_nothing_reaches(here: Config, ann: User) -> None:
    schedule = Schedule.objects.create(
        slug="first", name="First", anchor=clock.now().date(), handoff_at=time(9), created_at=clock.now()
    )
    assert "nobody on First" in contents_of(here)["on call"][0].found
    Turn.objects.create(schedule=schedule, position=0, user=ann)
    assert "Ann on First cannot be reached" in contents_of(here)["on call"][0].found
    reachable(ann)
    assert state(here, "on call") is State.FINE


def test_a_missing_default_policy_is_wrong(here: Config, ann: User) -> None:
    assert state(here, "policy") is State.WRONG


def test_a_source_never_heard_of_is_told(here: Config, ann: User) -> None:
    assert contents_of(here)["sources"][0].do == "Add one: `hemostat source add`."
    add_source(name="prometheus", protocol="alertmanager", environment_slug="production", actor=CONSOLE)
    assert "never heard of: prometheus" in contents_of(here)["sources"][0].found


def test_a_mail_server_that_does_not_answer_is_wrong(here: Config, ann: User) -> None:
    assert state(here, "e-mail") is State.NOTE
    away = Config(data_dir=here.data_dir, smtp_host="127.0.0.1", smtp_port=free_port(), smtp_password="s3cret")
    (finding,) = contents_of(away)["e-mail"]
    assert finding.state is State.WRONG
    assert "s3cret" not in finding.found


def machine_state(settings: Config, check: str) -> State:
    """How one thing of the machine stands."""
    return next(finding.state for finding in machine.examine(settings) if finding.check == check)


def test_a_key_that_others_may_read_is_wrong(here: Config) -> None:
    assert machine_state(here, "key") is State.NOTE
    key = Path(here.data_dir) / "secret.key"
    key.write_text("k" * 50)
    key.chmod(0o644)
    assert machine_state(here, "key") is State.WRONG
    key.chmod(0o600)
    assert machine_state(here, "key") is State.FINE


def test_a_port_is_free_or_ours_or_somebody_elses(here: Config) -> None:
    check = f"port {here.web_port}"
    assert machine_state(here, check) is State.NOTE
    with socket.socket() as other:
        other.bind(("127.0.0.1", here.web_port))
        other.listen()
        assert machine_state(here, check) is State.WRONG


@pytest.mark.parametrize(
    ("host", "public_url", "expected"),
    [
        ("127.0.0.1", "http://localhost:8080", State.NOTE),
        ("0.0.0.0", "http://localhost:8080", State.WRONG),
        ("0.0.0.0", "https://hemostat.example.org", State.FINE),
        ("0.0.0.0", "http://hemostat.example.org", State.NOTE),
        ("127.0.0.1", "hemostat.example.org", State.WRONG),
    ],
)
def test_an_address_that_links_cannot_lead_to_is_told(
    tmp_path: Path, host: str, public_url: str, expected: State
) -> None:
    settings = Config(
        data_dir=str(tmp_path), host=host, public_url=public_url, web_port=free_port(), intake_port=free_port()
    )
    assert machine_state(settings, "public address") is expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_wrong(here: Config) -> None:
    Path(here.data_dir).chmod(0o500)
    assert machine_state(here, "data folder") is State.WRONG


def test_programs_get_the_findings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [fine("a", "well"), wrong("b", "broken", "mend it")]
    assert is_wrong(findings)
    assert not is_wrong(findings[:1])
    show(findings, json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "check": "b", "state": "wrong", "found": "broken", "do": "mend it",
    }  # fmt: skip
    show(findings, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "ok     a: well",
        "WRONG  b: broken",
        "       → mend it",
        "",
        "1 of 2 things need you.",
    ]
