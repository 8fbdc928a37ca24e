"""The intake process: the whole telemetry door on its own port. Never imports Django (a test looks)."""

from __future__ import annotations

import hashlib

import structlog

from hemostat.intake.door import Door, DoorSettings
from hemostat.site import clocksync, database, keys, schema
from hemostat.site.config import Config, config
from hemostat.site.listen import take_port
from hemostat.site.logs import configure
from hemostat.site.serve import App, Receive, Scope, Send, answer, serve

log = structlog.get_logger()


def run() -> None:
    """Serve until told to stop. Raises `HemostatError` where it cannot start."""
    configure("intake")
    settings = config()
    listener = take_port(settings.host, settings.intake_port, setting="intake_port")
    conninfo = database.conninfo(settings)
    schema.wait_until_current(conninfo, shown=database.shown(settings), tell=log.info)
    clocksync.start(conninfo)
    serve(with_health(Door(door_settings(settings, telemetry=True))), listener, trusted_proxies=settings.trusted_proxies, grace_s=5)


def door_settings(settings: Config, *, telemetry: bool) -> DoorSettings:
    """How the door of this installation works, in the intake process or (for alerts only) in front of the pages."""
    key = keys.signing_keys(settings)[0].encode()
    return DoorSettings(
        conninfo=database.conninfo(settings),
        user_key=hashlib.blake2b(key, digest_size=32, person=b"hemostat-users").digest(),
        telemetry=telemetry,
    )


def with_health(door: App) -> App:
    """`door`, with an answer to those who only ask whether the process lives."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/-/healthy":
            await answer(send, 200, {"status": "healthy"})
        else:
            await door(scope, receive, send)

    return app
