"""A small world for the tests of paging: people who can be reached, policies, incidents, and servers that are real."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy as email_policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from hemostat.base import clock
from hemostat.base.texts import Text
from hemostat.catalog.models import Environment, Service
from hemostat.channels import actions as channels
from hemostat.events import actions as events
from hemostat.events import queries as record
from hemostat.events.rules import CONSOLE
from hemostat.incidents import actions as incident_actions
from hemostat.incidents.models import Incident
from hemostat.paging.actions import NewTier, add_policy
from hemostat.people.models import User
from hemostat.people.rules import Role

START = datetime(2026, 11, 19, 13, 2, 32, tzinfo=UTC)


def person(name: str, *ways: str, role: Role = Role.RESPONDER, **values: Any) -> User:
    """A person with proven ways: `email`, `in_app`, or the URL of a webhook; no way is proven without any."""
    user = User.objects.create(email=f"{name.lower()}@example.org", name=name, role=role, created_at=START, **values)
    for way in ways:
        kind = way if way in {"email", "in_app"} else "webhook"
        address = {"email": user.email, "in_app": ""}.get(way, way)
        channels.add_method(user=user, kind=kind, address=address, actor=CONSOLE, verified=True)
    return user


def policy(*tiers: Any, fallback: User, repeat: int = 0, timeout_s: int = 300) -> None:
    """The default policy; each tier one target or a list of them."""
    add_policy(
        name="Default",
        tiers=[NewTier(tier if isinstance(tier, list) else [tier], timeout_s) for tier in tiers],
        fallback=fallback,
        repeat=repeat,
        default=True,
        actor=CONSOLE,
    )


def incident(severity: int = 1, number: int = 318) -> Incident:
    """An open incident, as `incidents` makes it, and the event that tells of it."""
    from django.db import transaction

    environment, _ = Environment.objects.get_or_create(slug="production", defaults={"created_at": START})
    service, _ = Service.objects.get_or_create(
        app_id="shop/payment",
        defaults={"slug": "payment", "label": "Payment", "purpose": "pay", "created_at": START},
    )
    with transaction.atomic():
        row = Incident.objects.create(
            number=number,
            environment=environment,
            service=service,
            severity=severity,
            headline=Text("incidents.headline_success", {"what": "Payment", "before": 0.999, "now": 0.12}).as_json(),
            users_affected=8437,
            onset_at=START,
            opened_at=START,
            last_signal_at=START,
        )
        events.record("incidents.opened", actor=CONSOLE, subjects=[incident_actions.ref(row)])
    return row


def timeline(row: Incident) -> list[str]:
    """The kinds of the events about an incident, oldest first."""
    return [event.kind for event in record.about("incident", str(row.pk), newest_first=False)]


@dataclass
class Mailbox:
    """A mail server on this machine; `answers` gives the reply to a message, None to take it."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    answer: Callable[[], str | None] = lambda: None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the message, or answer what the test wants."""
        reply = self.answer()
        if reply is not None:
            return reply
        parsed = email.message_from_bytes(envelope.content, policy=email_policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.times.append(clock.now())
        return "250 2.0.0 taken"


class _AnyPort(Controller):
    """A controller that lets the system choose the port; the library's own start-up check asks port 0."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A real SMTP server on loopback."""
    box = Mailbox()
    controller = _AnyPort(box, hostname="127.0.0.1", port=0, ready_timeout=10)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Sink:
    """A receiver of webhooks on this machine; `status` and `headers` are what it answers."""

    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: threading.Event | None = None
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@contextmanager
def webhook_sink() -> Iterator[Sink]:
    """A real HTTP server on loopback."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            sink.requests.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(raw)))
            if sink.wait is not None:
                sink.wait.wait(10)
            with suppress(BrokenPipeError, ConnectionResetError):  # who gave up waiting has gone
                self.send_response(sink.status)
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(sink.body)))
                self.end_headers()
                self.wfile.write(sink.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    sink.url = f"http://127.0.0.1:{server.server_port}/hook/s3cret-path"
    try:
        yield sink
    finally:
        if sink.wait is not None:
            sink.wait.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
