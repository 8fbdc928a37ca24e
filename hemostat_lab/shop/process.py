"""One instance of a service: `python -m hemostat_lab.shop.process FOLDER ROLE INSTANCE RELEASE`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from random import Random

import psycopg
import uvicorn

from hemostat_lab import telemetry
from hemostat_lab.layout import Layout, Role

KEEP_ORDERS_S = 3600
TIDY_EVERY_S = 60
GRACE_S = 3


def main(folder: str, role_name: str, instance: str, release: str) -> None:
    """Serve until told to stop; the last spans are sent before the process ends."""
    layout, role = Layout.load(Path(folder)), Role(role_name)
    provider = telemetry.start(layout.telemetry, service=layout.names[role], instance=instance, version=release)
    from hemostat_lab.shop import app, releases

    application = app.build(layout, releases.load(role, release), chance=Random(instance))
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=layout.ports[instance],
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )

    async def serve() -> None:
        tidy = asyncio.create_task(_tidy(layout)) if role is Role.ORDERS else None
        await uvicorn.Server(config).serve()
        if tidy:
            tidy.cancel()

    try:
        asyncio.run(serve())
    finally:
        provider.shutdown()


async def _tidy(layout: Layout) -> None:
    from hemostat_lab.rotation import Rotation
    from hemostat_lab.shop.store import Store

    store = Store(layout.names[Role.STORE], Rotation(layout.rotation_file), layout.store_password)
    while True:
        await asyncio.sleep(TIDY_EVERY_S)
        # A store that is away is none of the tidying's business: it comes again in a minute.
        with contextlib.suppress(psycopg.OperationalError):
            await store.forget_older_than(KEEP_ORDERS_S)


if __name__ == "__main__":
    main(*sys.argv[1:5])
