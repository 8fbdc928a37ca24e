"""Webhooks against a real receiver, checked with the Standard Webhooks library's own verifier."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from hemostat.base.refusals import RefusedError
from hemostat.channels.base import Address
from hemostat.channels.rules import OutcomeKind
from hemostat.channels.webhook.channel import WebhookChannel, payload, retry_after_s, signed
from tests.channels.contract import ID, ChannelContract, Rig, message
from tests.paging.world import Mailbox, Sink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Anywhere(WebhookChannel):
    """The channel, whose messages a test can send elsewhere."""

    elsewhere = ""

    def send(self, to: Address, message: Any) -> Any:
        return super().send(Address(to.user_id, self.elsewhere or to.address, to.secret), message)


@pytest.fixture
def rig(mail: Mailbox, sink: Sink) -> Rig:
    channel = Anywhere(timeout_s=1.0)
    loud = f"{sink.url} {SECRET}".encode()

    def answer(status: int, *, wait: bool = False, elsewhere: str = "") -> None:
        sink.status, sink.body = status, loud
        sink.wait = threading.Event() if wait else None
        channel.elsewhere = elsewhere

    return Rig(
        channel=channel,
        to=Address(1, sink.url, SECRET),
        secrets=(SECRET, "s3cret-path"),
        works=lambda: answer(200),
        fails_for_now=lambda: answer(503),
        refuses=lambda: answer(410),
        is_gone=lambda: answer(200, elsewhere="http://127.0.0.1:9/hook/s3cret-path"),
        hangs=lambda: answer(200, wait=True),
        ids=lambda: [headers["webhook-id"] for headers, _ in sink.requests],
    )


class TestWebhook(ChannelContract):
    """What every channel does."""

    @pytest.mark.parametrize("status", [429, 408, 500, 502, 503, 504])
    def test_later_means_later(self, rig: Rig, sink: Sink, status: int) -> None:
        rig.works()
        sink.status, sink.headers = status, {"retry-after": "17"}
        outcome = rig.channel.send(rig.to, message())
        assert outcome.kind is OutcomeKind.TEMPORARY
        assert outcome.retry_after_s == 17

    @pytest.mark.parametrize("status", [400, 401, 404, 301, 302])
    def test_never_means_never_and_redirects_are_not_followed(self, rig: Rig, sink: Sink, status: int) -> None:
        rig.works()
        sink.status, sink.headers = status, {"location": sink.url}
        assert rig.channel.send(rig.to, message()).kind is OutcomeKind.REFUSED
        assert len(sink.requests) == 1


def test_the_receiver_can_verify_the_signature_with_the_public_library() -> None:
    now = datetime.now(UTC)
    body = payload(message())
    headers = signed(message(), body, SECRET, now)
    verified = Webhook(SECRET).verify(body.decode(), headers)
    assert verified["type"] == "hemostat.page"
    assert verified["data"]["incident"] == "INC-318"
    assert headers["webhook-id"] == str(ID)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body.decode() + " ", headers)


def test_the_body_is_data_with_a_time_and_a_type() -> None:
    body = json.loads(payload(message()))
    assert set(body) == {"type", "timestamp", "data"}
    assert body["data"]["links"]["Acknowledge"] == "https://hemo.example/ack/token/"


def test_an_inner_address_is_refused_unless_the_settings_allow_it(sink: Sink) -> None:
    outcome = WebhookChannel().send(Address(1, sink.url, SECRET), message())
    assert outcome.kind is OutcomeKind.REFUSED
    assert sink.requests == []


@pytest.mark.parametrize(
    "address", ["", "example.org/hook", "ftp://example.org", "https://", "https://user:pw@example.org/", "http://a:b/"]
)
def test_an_address_that_cannot_be_right_is_refused(address: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        WebhookChannel().check(address)
    assert refusal.value.field == "address"


def test_only_the_host_of_a_webhook_is_shown() -> None:
    assert WebhookChannel().label("https://hooks.example.org/services/T0/secret?key=x") == "hooks.example.org"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("", None), ("soon", None), ("Thu, 19 Nov 2026 13:00:30 GMT", 30.0), ("-5", None)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert retry_after_s(header, datetime(2026, 11, 19, 13, 0, tzinfo=UTC)) == seconds
