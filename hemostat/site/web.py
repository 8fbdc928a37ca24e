"""The web process: pages and API by Django, the alert part of the door beside it without Django, on one port.

Django is served over WSGI by a pool of threads: served as ASGI it is an order of magnitude slower, and a slow page
would hold up alerts. What is not Django's is decided here, in one place.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import structlog

from hemostat.intake.door import Door
from hemostat.site import clocksync, database, doors, schema
from hemostat.site.config import Config, config
from hemostat.site.listen import take_port
from hemostat.site.logs import configure
from hemostat.site.serve import App, Receive, Scope, Send, answer, serve

log = structlog.get_logger()

THREADS = 4
"""Requests that Django answers at the same time."""


def run() -> None:
    """Serve until told to stop. Raises `HemostatError` where it cannot start."""
    from hemostat.site.django import django_setup

    configure("web")
    settings = config()
    listener = take_port(settings.host, settings.web_port, setting="web_port")
    conninfo = database.conninfo(settings)
    schema.wait_until_current(conninfo, shown=database.shown(settings), tell=log.info)
    django_setup("web")
    clocksync.start(conninfo)

    from a2wsgi import WSGIMiddleware
    from django.core.wsgi import get_wsgi_application

    pages: App = WSGIMiddleware(get_wsgi_application(), workers=THREADS)  # type: ignore[arg-type, assignment]
    app = dispatcher(settings, pages=pages, door=doors.make(settings, telemetry=False))
    serve(app, listener, trusted_proxies=settings.trusted_proxies, grace_s=5)


def dispatcher(settings: Config, *, pages: App, door: Door) -> App:
    """Who answers what: the door takes alerts (and the start and end of the process), Django the rest."""
    local = urlsplit(settings.public_url).hostname == "localhost"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await door(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path == "/-/healthy":
            await answer(send, 200, {"status": "healthy"})
        elif path == "/-/ready":
            await _ready(door, send)
        elif door.serves(method, path):
            await door(scope, receive, send)
        elif local and method in {"GET", "HEAD"} and (to := _by_name(scope)):
            # Passkeys and the session's cookie belong to the name; an IP address is no name to them.
            await answer(send, 307, {"location": to}, (b"location", to.encode("latin-1")))
        else:
            await pages(scope, receive, send)

    return app


def _by_name(scope: Scope) -> str | None:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    name, _, port = host.partition(":")
    if name != "127.0.0.1" or scope["path"].startswith(("/api/", "/static/")):
        return None
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return f"{scope['scheme']}://localhost{':' if port else ''}{port}{path}{'?' if query else ''}{query}"


async def _ready(door: Door, send: Send) -> None:
    reason = "" if door.ready else "alerts cannot be stored yet"
    try:
        await asyncio.to_thread(_ask_database)
    except Exception as error:  # noqa: BLE001 - whatever keeps the database from answering, we are not ready
        log.warning("not ready", reason=str(error))
        reason = "the database does not answer"
    if reason:
        await answer(send, 503, {"status": reason}, (b"retry-after", b"1"))
    else:
        await answer(send, 200, {"status": "ready"})


def _ask_database() -> None:
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    finally:
        connection.close()
