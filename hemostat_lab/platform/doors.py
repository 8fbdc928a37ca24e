"""The two doors of the platform as applications: tokens, routes, and answers in plain sentences."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hemostat_lab.platform.instances import StartError
from hemostat_lab.platform.operations import NotNowError, Platform, UnknownNameError

Endpoint = Callable[[Request], Awaitable[Response]]


def operations_door(platform: Platform, token: str) -> Starlette:
    """Status, restart, isolate, restore, roll back: what plans may ask for."""

    async def status(_: Request) -> Response:
        return JSONResponse(platform.status())

    async def restart_service(request: Request) -> Response:
        return _done(await platform.restart_service(request.path_params["name"]))

    async def roll_back(request: Request) -> Response:
        return _done(await platform.roll_back(request.path_params["name"]))

    async def restart_instance(request: Request) -> Response:
        return _done(await platform.restart_instance(request.path_params["name"]))

    async def isolate(request: Request) -> Response:
        return _done(await platform.isolate(request.path_params["name"]))

    async def restore(request: Request) -> Response:
        return _done(await platform.restore(request.path_params["name"]))

    routes = [
        Route("/status", _guarded(status, token)),
        Route("/services/{name}/restart", _guarded(restart_service, token), methods=["POST"]),
        Route("/services/{name}/rollback", _guarded(roll_back, token), methods=["POST"]),
        Route("/instances/{name}/restart", _guarded(restart_instance, token), methods=["POST"]),
        Route("/instances/{name}/isolate", _guarded(isolate, token), methods=["POST"]),
        Route("/instances/{name}/restore", _guarded(restore, token), methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers=dict(ANSWERS))


def release_door(platform: Platform, token: str) -> Starlette:
    """Deploy: what the release pipeline asks for, and nobody else."""

    async def deploy(request: Request) -> Response:
        body = await request.json()
        return _done(await platform.deploy(request.path_params["name"], body["release"]))

    routes = [Route("/services/{name}/deploy", _guarded(deploy, token), methods=["POST"])]
    return Starlette(routes=routes, exception_handlers=dict(ANSWERS))


def _guarded(endpoint: Endpoint, token: str) -> Endpoint:
    expected = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(shown, expected):
            return JSONResponse({"error": "this door wants its own token as a bearer token"}, status_code=401)
        return await endpoint(request)

    return guarded


def _done(lines: list[str]) -> Response:
    return JSONResponse({"done": lines})


async def _unknown(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=404)


async def _not_now(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=409)


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=500)


ANSWERS = {UnknownNameError: _unknown, NotNowError: _not_now, StartError: _failed}
