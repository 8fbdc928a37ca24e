"""Webhooks as the Standard Webhooks specification has them: id, timestamp and signature in headers, JSON in the body.

The id is the delivery's: a receiver that has seen it answers 2xx again and does nothing. Redirects are not followed,
and addresses of private networks are refused unless the settings allow them (`base.http`).
"""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from standardwebhooks.webhooks import Webhook

from hemostat.base import clock, http
from hemostat.base.refusals import RefusedError
from hemostat.channels.base import TIMEOUT_S, Address
from hemostat.channels.rules import Message, Outcome, accepted, ambiguous, refused, temporary, without

LATER = frozenset({408, 425, 429})
"""Client errors that mean "later", not "never"."""


class WebhookChannel:
    """Posts the message's data to a URL of the person's choice."""

    kind = "webhook"
    wakes = True
    needs_secret = True

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    def check(self, address: str) -> str:
        """An http or https URL; whether its host may be reached is asked when it is used, for names move."""
        address = address.strip()
        try:
            parts = urlsplit(address)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
            _port = parts.port
        except ValueError:
            usable = False
        if not usable:
            raise RefusedError(_("Wanted a URL like https://example.org/hook."), field="address")
        return address

    def label(self, address: str) -> str:
        """The host: paths of webhooks are often secrets."""
        return urlsplit(address).hostname or ""

    def destination(self, address: str) -> str:
        """The host and port."""
        return f"webhook {urlsplit(address).netloc.lower()}"[:254]

    def send(self, to: Address, message: Message) -> Outcome:
        """Post once."""
        parts = urlsplit(to.address)
        secrets = tuple(s for s in (to.address, to.secret, parts.query, parts.path) if len(s) > 1)
        body = payload(message)
        headers = signed(message, body, to.secret, clock.now())
        try:
            response = http.post(to.address, content=body, headers=headers, timeout_s=self._timeout_s)
        except http.BlockedError as error:
            return refused(without(str(error), secrets))
        except http.NotSentError as error:
            return temporary(without(str(error), secrets))
        except http.NoAnswerError as error:
            return ambiguous(without(str(error), secrets))
        text = response.content[:1000].decode("utf-8", "replace")
        said = without(f"{response.status} {text}".strip(), secrets)
        if 200 <= response.status < 300:
            return accepted(said)
        if response.status in LATER or response.status >= 500:
            return temporary(said, retry_after_s(response.headers.get("retry-after", ""), clock.now()))
        return refused(said)


def payload(message: Message) -> bytes:
    """The JSON body: type, timestamp and data, as Standard Webhooks recommends."""
    data: dict[str, Any] = {
        **message.data,
        "title": message.title,
        "text": message.lead,
        "links": {button.label: button.url for button in message.buttons},
    }
    body = {"type": f"hemostat.{message.kind}", "timestamp": clock.now().isoformat(), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signed(message: Message, body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers by which a receiver knows the message, its age and its sender."""
    return {
        "content-type": "application/json",
        "user-agent": "Hemostat-Webhooks/1",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(message.id), at, body.decode()),
    }


def retry_after_s(header: str, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which names seconds or a date; None when there is none that can be read."""
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):
        return None
