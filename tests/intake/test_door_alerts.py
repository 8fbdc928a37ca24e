"""The alert part of the door: 2xx after commit, valid alerts kept, bad ones named."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from hemostat.events.rules import CONSOLE
from hemostat.intake import actions, frames, queries
from hemostat.intake.models import InboxCursor, InboxGroup, Source
from hemostat.intake.sources import alertmanager
from tests.intake.conftest import RunningDoor, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
ALERT = {"labels": {"alertname": "Down", "severity": "critical"}, "annotations": {"summary": "shop is down"}}


def stored() -> list[dict[str, str]]:
    """Labels of the alerts in the inbox, in the order of their groups."""
    return [
        reading.labels
        for group in InboxGroup.objects.order_by("proc", "id")
        for _source, body in frames.unpack(group.codec, bytes(group.body))
        for reading in alertmanager.read(body)
    ]


def test_a_2xx_means_stored(alerts_token: str, door: RunningDoor) -> None:
    with door.client(alerts_token) as client:
        answer = client.post("/api/v2/alerts", json=[ALERT])
    assert answer.status_code == 200
    assert stored() == [ALERT["labels"]]


def test_the_token_may_be_the_password_of_basic_authentication(alerts_token: str, door: RunningDoor) -> None:
    with door.client() as client:
        basic = base64.b64encode(f"anyone:{alerts_token}".encode()).decode()
        answer = client.post("/api/v2/alerts", json=[ALERT], headers={"authorization": f"Basic {basic}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic !!!", "Digest x"])
def test_who_is_no_source_stores_nothing(alerts_token: str, door: RunningDoor, authorization: str | None) -> None:
    with door.client() as client:
        headers = {"authorization": authorization} if authorization else {}
        answer = client.post("/api/v2/alerts", json=[ALERT], headers=headers)
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert not InboxGroup.objects.exists()


def test_a_source_of_another_protocol_is_told_so(otlp_token: str, door: RunningDoor) -> None:
    with door.client(otlp_token) as client:
        answer = client.post("/api/v2/alerts", json=[ALERT])
    assert answer.status_code == 403
    assert "shop is for otlp" in answer.text


def test_valid_alerts_of_a_batch_are_stored_and_the_bad_one_is_named(alerts_token: str, door: RunningDoor) -> None:
    batch = [ALERT, {"labels": {"a": ""}}, {**ALERT, "endsAt": "yesterday"}, {"labels": {"alertname": "Other"}}]
    with door.client(alerts_token) as client:
        answer = client.post("/api/v2/alerts", json=batch)
    assert answer.status_code == 400
    assert "[1].labels: wanted at least one label with a value, found none" in answer.json()
    assert "[2].endsAt: wanted an RFC 3339 time, found 'yesterday'" in answer.json()
    assert stored() == [ALERT["labels"], {"alertname": "Other"}]


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'"x"', b"[" * 100_000, b"\xff", b'[{"labels":{"a":"\\ud800"}}]'])
def test_what_is_no_array_of_alerts_is_a_400_and_the_door_goes_on(
    alerts_token: str, door: RunningDoor, body: bytes
) -> None:
    with door.client(alerts_token) as client:
        assert client.post("/api/v2/alerts", content=body).status_code == 400
        assert client.post("/api/v2/alerts", json=[ALERT]).status_code == 200


def test_a_body_beyond_the_limit_is_a_413(alerts_token: str, door: RunningDoor) -> None:
    with door.client(alerts_token) as client:
        answer = client.post("/api/v2/alerts", content=b"[" + b" " * (9 << 20) + b"]")
    assert answer.status_code == 413


def test_secrets_are_gone_before_anything_is_stored(alerts_token: str, door: RunningDoor) -> None:
    secret = {
        "labels": {"alertname": "Login", "api_key": "k1k2k3"},
        "annotations": {"summary": "bob\u0040example.com, password=hunter2"},
    }
    with door.client(alerts_token) as client:
        assert client.post("/api/v2/alerts", json=[secret]).status_code == 200
    raw = b"".join(bytes(g.body) for g in InboxGroup.objects.all())
    assert not any(word in raw for word in (b"k1k2k3", b"hunter2", b"bob"))


def test_a_large_body_is_packed_and_read_back(alerts_token: str, door: RunningDoor) -> None:
    batch = [{"labels": {"alertname": "Down", "instance": f"host-{n}"}} for n in range(500)]
    with door.client(alerts_token) as client:
        assert client.post("/api/v2/alerts", json=batch).status_code == 200
    assert InboxGroup.objects.get().codec == frames.Codec.LZ4
    assert stored() == [alert["labels"] for alert in batch]


def test_a_new_a_rotated_and_a_revoked_token_take_effect_at_once(door: RunningDoor) -> None:
    source, first = actions.add_source(
        name="late", protocol="alertmanager", environment_slug="production", actor=CONSOLE
    )

    def answers(token: str, status: int) -> bool:
        with door.client(token) as client:
            return client.post("/api/v2/alerts", json=[ALERT]).status_code == status

    wait_for(lambda: answers(first, 200), 5)
    _, second = actions.rotate_source(source.pk, actor=CONSOLE)
    wait_for(lambda: answers(first, 401), 5)
    assert answers(second, 200)
    actions.revoke_source(source.pk, actor=CONSOLE)
    wait_for(lambda: answers(second, 401), 5)


def test_what_a_source_sent_is_counted_with_its_last_refusal(alerts_token: str, door: RunningDoor) -> None:
    with door.client(alerts_token) as client:
        client.post("/api/v2/alerts", json=[ALERT, ALERT])
        client.post("/api/v2/alerts", json=[{"labels": {}}])
    wait_for(lambda: Source.objects.get().refused > 0, 10)
    (source,) = queries.sources()
    assert (source.accepted, source.refused) == (2, 1)
    assert "labels" in source.last_refusal
    assert source.last_seen_at is not None
    assert abs((datetime.now(UTC) - source.last_seen_at).total_seconds()) < 30


def test_other_addresses_say_what_is_taken_where(door: RunningDoor) -> None:
    with door.client() as client:
        assert client.get("/-/healthy").status_code == 200
        assert client.get("/-/ready").status_code == 200
        assert "/v1/traces" in client.post("/v1/logs").text
        assert client.post("/v1/metrics").status_code == 404
        assert client.get("/api/v2/alerts").status_code == 405
        assert client.post("/elsewhere").status_code == 404


def test_a_door_whose_cursor_was_cleared_away_is_folded_again(alerts_token: str, door: RunningDoor) -> None:
    """Housekeeping drops the cursor of a door that was quiet for a day; its next alert must be heard all the same."""
    InboxCursor.objects.all().delete()
    with door.client(alerts_token) as client:
        assert client.post("/api/v2/alerts", json=[ALERT]).status_code == 200
    assert InboxCursor.objects.get().position == 0
