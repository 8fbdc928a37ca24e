"""The intake door: a bare ASGI application without Django, because it must answer tens of thousands of times a second.

It reads, checks, redacts, joins the next commit group, and answers when the group is durable: a 2xx means stored.
One door listens for everything in `hemostat intake`; another one, for alerts only, stands in the web process in
front of Django.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import xxhash

from hemostat.base import clock
from hemostat.intake import http
from hemostat.intake.commit import GroupCommit, UnavailableError
from hemostat.intake.http import Answer, Receive, Scope, Send
from hemostat.intake.inbox import InboxWork
from hemostat.intake.rules.limits import MIB, BadInputError, Limits, TooLargeError
from hemostat.intake.senders import Sender, Senders
from hemostat.intake.sources import alertmanager, otlp
from hemostat.intake.telemetry import TelemetryWork

log = logging.getLogger(__name__)

ALERTS = "/api/v2/alerts"
TRACES = "/v1/traces"
TELEMETRY = ("/v1/traces", "/v1/metrics", "/v1/logs")

TELEMETRY_PAUSE_S = 0.01
"""Shortest time between two commits of telemetry: a commit costs by the row, and rows are shared by what waits."""
TICK_S = 1.0

_EMPTY_OK = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_NO_BODY = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """How a door works."""

    conninfo: str
    """the database, as a libpq URL or keyword string"""
    user_key: bytes
    """the installation's key for hashing users' ids"""
    telemetry: bool = True
    """whether spans are taken here; a door that does not says where to send them"""
    telemetry_url: str = "http://localhost:4318"
    """where spans are taken, for the error of a door that does not"""
    limits: Limits = field(default_factory=Limits)
    waiting_bytes: int = 128 * MIB
    """bodies read and not yet committed, beyond which senders are slowed down (429)"""
    backlog_bytes: int = 1024 * MIB
    """groups that the engine has not folded, beyond which alerts are refused (503)"""


def new_proc() -> int:
    """A fresh number for this run of a door: time first, so that runs sort, and random bits so that none is equal."""
    return (time.time_ns() // 1_000_000) << 21 | secrets.randbits(21)  # house: time - an id, not a time


class Door:
    """One door: an ASGI application with its own lifespan (`startup`, `shutdown`)."""

    def __init__(self, settings: DoorSettings) -> None:
        self.settings = settings
        self.proc = new_proc()
        self._limits = settings.limits
        self._inbox = InboxWork(self.proc)
        self._alerts = GroupCommit(settings.conninfo, self._inbox)
        self._checker = alertmanager.Checker(settings.limits)
        self._counts = TelemetryWork(self.proc, new_proc)
        self._telemetry = GroupCommit(settings.conninfo, self._counts, pause_s=TELEMETRY_PAUSE_S)
        self._telemetry_waiting = 0
        self._reader = otlp.Reader(otlp.user_hasher(settings.user_key), settings.limits)
        self._senders: Senders | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._routes: dict[tuple[str, str], Callable[[Scope, Receive, Send], Awaitable[None]]] = {
            ("POST", ALERTS): self._post_alerts,
            ("GET", "/-/healthy"): self._healthy,
            ("GET", "/-/ready"): self._ready,
        }
        if settings.telemetry:
            self._routes["POST", TRACES] = self._post_traces

    def serves(self, method: str, path: str) -> bool:
        """Whether this door, and not the pages behind it, answers a request."""
        return (method, path) in self._routes or path in TELEMETRY

    async def startup(self) -> None:
        """Begin to connect; requests are answered 503 until the sources are read and the database is there."""
        self._senders = Senders(self.settings.conninfo, self.proc, drained=self._inbox.drained)
        self._senders.start()
        self._alerts.start()
        if self.settings.telemetry:
            self._telemetry.start()
            self._ticking = asyncio.create_task(self._tick())

    async def shutdown(self) -> None:
        """Commit what waits, write the last counts, and let go of the database."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
            await self._telemetry.stop()
        await self._alerts.stop()
        if self._senders is not None:
            await self._senders.stop()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the door does not speak {scope['type']}")
        handler = self._routes.get((scope["method"], scope["path"]))
        try:
            if handler is None:
                await http.respond(send, self._unknown(scope))
            else:
                await handler(scope, receive, send)
        except http.GoneError:
            return

    __call__ = app

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.startup()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _tick(self) -> None:
        """File again what came before its parents, and store what that changed, every second."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._counts.tick()
                if self._counts.dirty and self._telemetry.available:
                    self._telemetry.join()
            except Exception:  # the clockwork must go on; the error is in the log
                log.exception("the telemetry's second hand stumbled")

    # What is told about the door

    @property
    def ready(self) -> bool:
        """Whether what is sent now can be stored."""
        loaded = self._senders is not None and self._senders.loaded
        return loaded and self._alerts.available and (not self.settings.telemetry or self._telemetry.available)

    async def _healthy(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await http.respond(send, Answer(200, b"OK"))

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await http.respond(send, Answer(200, b"OK") if self.ready else _later(503, "the database is away"))

    def _unknown(self, scope: Scope) -> Answer:
        method, path = scope["method"], scope["path"]
        allowed = [m for m, p in self._routes if p == path]
        if allowed:
            message = f"{path}: wanted {' or '.join(allowed)}, found {method}"
            return Answer(405, message.encode(), headers=((b"allow", ", ".join(allowed).encode()),))
        if path == TRACES:
            return _told(
                404, f"Telemetry is not taken on this port: send it to {self.settings.telemetry_url}{TRACES}.", scope
            )
        if path in TELEMETRY:
            signal = path.rpartition("/")[2]
            return _told(
                404, f"OTLP {signal} are not taken: this version reads traces ({TRACES}) and alerts ({ALERTS}).", scope
            )
        return Answer(404, f"Nothing is taken at {path}: this door takes {TRACES} and {ALERTS}.".encode())

    # Who sends

    def _admit(self, scope: Scope, protocol: str) -> Sender | Answer:
        """The source that sends, or the refusal of somebody who is none."""
        if self._senders is None or not self._senders.loaded:
            return _later(503, "The door is opening: the database has not told the sources yet.")
        authorization = http.header(scope, b"authorization")
        sender = self._senders.find(authorization) if authorization else None
        if sender is None:
            message = (
                "Authorization: wanted the token of a source, as a bearer token or as the password of basic "
                f"authentication; found {'one that no source has' if authorization else 'none'}."
            )
            return Answer(401, message.encode(), headers=((b"www-authenticate", b'Bearer realm="hemostat"'),))
        if sender.protocol != protocol:
            message = f"The source {sender.slug} is for {sender.protocol}; this address takes {protocol}."
            sender.refuse(1, message)
            return Answer(403, message.encode())
        return sender

    async def _body(self, scope: Scope, receive: Receive, sent: int, plain: int) -> bytes:
        body = await http.read_body(scope, receive, sent)
        encoding = http.header(scope, b"content-encoding")
        return http.unpack(body, encoding, plain) if encoding else body

    # Alerts

    async def _post_alerts(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = self._admit(scope, "alertmanager")
        if isinstance(sender, Answer):
            await http.respond(send, sender)
            return
        answer = self._crowded()
        if answer is None:
            try:
                body = await self._body(scope, receive, self._limits.alerts_body, 2 * self._limits.alerts_body)
                answer = await self._store_alerts(sender, self._checker.check(body))
            except _REFUSALS as error:
                answer = _refusal(error)
                sender.refuse(1, str(error))
        elif answer.status != 200:
            sender.refuse(1, answer.body.decode())
        if answer is _STORED:
            await send(_EMPTY_OK)
            await send(_NO_BODY)
        else:
            await http.respond(send, answer)

    def _crowded(self) -> Answer | None:
        if self._inbox.waiting_bytes > self.settings.waiting_bytes:
            return _later(429, "Too much waits to be stored; send again in a moment.")
        if self._inbox.backlog_bytes > self.settings.backlog_bytes:
            return _later(503, "The engine is too far behind; send again later.", retry_s=10)
        return None

    async def _store_alerts(self, sender: Sender, checked: alertmanager.Checked) -> Answer:
        if checked.accepted:
            done = self._alerts.join()
            self._inbox.add(sender.id, checked.body)
            await asyncio.shield(done)
            sender.accept(checked.accepted)
            assert self._senders is not None
            self._senders.wake_engine()
        if checked.refused:
            sender.refuse(checked.refused, checked.explanation)
            return Answer(400, _problem(checked.explanation), http.JSON)
        return _STORED

    # Spans

    async def _post_traces(self, scope: Scope, receive: Receive, send: Send) -> None:
        content_type = http.header(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
        sender = self._admit(scope, "otlp")
        if isinstance(sender, Answer):
            await http.respond(send, _told(sender.status, sender.body.decode(), scope, sender.headers))
            return
        if content_type not in (otlp.PROTOBUF, otlp.JSON):
            message = f"Content-Type: wanted {otlp.PROTOBUF} or {otlp.JSON}, found {content_type[:80] or 'none'}"
            sender.refuse(1, message)
            await http.respond(send, Answer(415, message.encode()))
            return
        try:
            answer = await self._take_traces(scope, receive, sender, content_type)
        except _REFUSALS as error:
            sender.refuse(1, str(error))
            plain = _refusal(error)
            answer = _told(plain.status, str(error), scope, plain.headers)
        await http.respond(send, answer)

    async def _take_traces(self, scope: Scope, receive: Receive, sender: Sender, content_type: str) -> Answer:
        if self._telemetry_waiting > self.settings.waiting_bytes:
            sender.refuse(1, "Too much waits to be stored.")
            return _told(429, "Too much waits to be stored; send again in a moment.", scope, _AGAIN)
        sent = await http.read_body(scope, receive, self._limits.telemetry_body)
        plain = http.unpack(sent, http.header(scope, b"content-encoding"), self._limits.telemetry_plain)
        # Over what was packed: gzip writes the time of day, so a second try of the same spans has other bytes. A hash
        # that a sender could find collisions for is good enough: they would only hide the sender's own spans.
        digest = xxhash.xxh3_128_digest(plain, seed=sender.id)
        known = self._counts.answered(digest)
        if known is not None:
            return Answer(200, known, content_type)
        if not self._telemetry.available:
            raise UnavailableError("The database is away; send again in a moment.")
        known = self._counts.waiting(digest)
        if known is None:
            telemetry = self._reader.read(
                otlp.decode(plain, content_type),
                environment=sender.environment,
                now_ns=int(clock.now().timestamp() * 1e9),
            )
            known = otlp.answer(telemetry, content_type)
            self._counts.add(telemetry.spans, digest, known)
            sender.accept(len(telemetry.spans))
            if telemetry.refused:
                sender.refuse(telemetry.refused, telemetry.explanation)
        self._telemetry_waiting += len(sent)
        try:
            await asyncio.shield(self._telemetry.join())
        finally:
            self._telemetry_waiting -= len(sent)
        return Answer(200, known, content_type)


_STORED = Answer(200)
_AGAIN = ((b"retry-after", b"1"),)
_REFUSALS = (BadInputError, TooLargeError, UnavailableError, http.EncodingError, http.SlowError)


def _later(status: int, message: str, retry_s: int = 1) -> Answer:
    return Answer(status, message.encode(), headers=((b"retry-after", str(retry_s).encode()),))


def _problem(message: str) -> bytes:
    """Alertmanager's errors are a JSON string."""
    return orjson.dumps(message)


def _refusal(error: Exception) -> Answer:
    match error:
        case UnavailableError():
            return _later(503, f"Not stored: {error}.")
        case TooLargeError():
            return Answer(413, _problem(str(error)), http.JSON)
        case http.EncodingError():
            return Answer(415, _problem(str(error)), http.JSON, ((b"accept-encoding", b"gzip"),))
        case http.SlowError():
            return Answer(408, _problem(str(error)), http.JSON)
    return Answer(400, _problem(str(error)), http.JSON)


def _told(status: int, message: str, scope: Scope, headers: Any = ()) -> Answer:
    """An error to a sender of telemetry, in the encoding it speaks."""
    content_type = http.header(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if content_type not in (otlp.PROTOBUF, otlp.JSON):
        content_type = otlp.JSON
    return Answer(status, otlp.error_body(message, content_type), content_type, headers)
