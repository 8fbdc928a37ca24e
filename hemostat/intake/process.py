"""Serving a door by itself, as `hemostat intake` does: uvicorn on uvloop with httptools, one thread, no Django."""

from __future__ import annotations

import socket

import uvicorn

from hemostat.intake.door import Door, DoorSettings

MAX_REQUESTS = 4096
"""Requests at one time; beyond, uvicorn answers 503."""
GRACE_S = 20


def serve(settings: DoorSettings, listener: socket.socket) -> None:
    """Answer on `listener` until the process is told to stop (SIGINT or SIGTERM); what was accepted is committed."""
    door = Door(settings)
    config = uvicorn.Config(
        door,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=MAX_REQUESTS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
        backlog=2048,
    )
    uvicorn.Server(config).run(sockets=[listener])
