"""What every service of the shop has: its peers, its name, and a Starlette application that is traced."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hemostat_lab.layout import Layout, Role
from hemostat_lab.rotation import Rotation
from hemostat_lab.shop.peers import USER_HEADER, Peers
from hemostat_lab.shop.store import Store


@dataclass(frozen=True)
class Shop:
    """What a service needs of its surroundings."""

    names: dict[Role, str]
    peers: Peers
    store: Store
    chance: Random


Service = Callable[[Shop], Sequence[Route]]
"""A release of a service: its routes, given its surroundings."""


def user_of(request: Request) -> str:
    """The user a request is for."""
    return request.headers.get(USER_HEADER, "")


def refuse(status: int, code: str, sentence: str) -> JSONResponse:
    """A refusal of business (4xx): known, expected, and not a failure of the service."""
    trace.get_current_span().set_attribute("app.error_code", code)
    return JSONResponse({"code": code, "error": sentence}, status_code=status)


class TellFailures:
    """Records an exception in the server span and answers 500.

    The ASGI instrumentation sees an exception only after the 500 was sent and its span has ended.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - this is where every failure of a request ends
            span = trace.get_current_span()
            span.record_exception(error, escaped=True)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            answer = JSONResponse({"error": "Something failed in here."}, status_code=500)
            await answer(scope, receive, send)


def build(layout: Layout, service: Service, *, chance: Random) -> ASGIApp:
    """The traced application of one instance."""
    # Not at the top: the instrumentation reads settings when it is loaded, and `telemetry.start` makes them.
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    rotation = Rotation(layout.rotation_file)
    peers = Peers(rotation)
    store = Store(layout.names[Role.STORE], rotation, layout.store_password)
    routes = list(service(Shop(layout.names, peers, store, chance)))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await peers.aclose()
        await store.aclose()

    return OpenTelemetryMiddleware(
        Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(TellFailures)]),
        default_span_details=lambda scope: _name_by_route(routes, scope),
        server_request_hook=_tell_user,
        exclude_spans=["receive", "send"],
    )


def _name_by_route(routes: Sequence[BaseRoute], scope: dict[str, Any]) -> tuple[str, dict[str, str]]:
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
            return f"{scope['method']} {route.path}", {"http.route": route.path}
    return str(scope.get("method", "HTTP")), {}


def _tell_user(span: Span, scope: dict[str, Any]) -> None:
    for name, value in scope.get("headers", ()):
        if name == USER_HEADER.encode():
            span.set_attribute("user.id", value.decode("latin-1"))
