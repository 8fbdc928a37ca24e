"""What both serving processes share: uvicorn on a port taken beforehand, health answers, and small ASGI helpers."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

import uvicorn

from hemostat.site import readiness

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            readiness.tell()


def serve(app: App, listener: socket.socket, *, trusted_proxies: list[str], grace_s: int) -> None:
    """Serve `app` on `listener` until SIGTERM or SIGINT; requests under way get `grace_s` seconds to finish."""
    server = _Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            interface="asgi3",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=grace_s,
        )
    )
    # uvicorn raises the signal once more after it has stopped: that must not turn a clean stop into a death by it.
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, _ignore)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)


def _ignore(_signal: int, _frame: FrameType | None) -> None: ...


async def answer(send: Send, status: int, body: object, *headers: tuple[bytes, bytes]) -> None:
    """Send a JSON answer."""
    content = json.dumps(body, ensure_ascii=False).encode() + b"\n"
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
