"""The intake process: the whole telemetry door on its own port. Never imports Django (a test looks)."""

from __future__ import annotations

import structlog

from hemostat.site import clocksync, database, doors, schema
from hemostat.site.config import config
from hemostat.site.listen import take_port
from hemostat.site.logs import configure
from hemostat.site.serve import serve

log = structlog.get_logger()


def run() -> None:
    """Serve until told to stop. Raises `HemostatError` where it cannot start."""
    configure("intake")
    settings = config()
    listener = take_port(settings.host, settings.intake_port, setting="intake_port")
    conninfo = database.conninfo(settings)
    schema.wait_until_current(conninfo, shown=database.shown(settings), tell=log.info)
    clocksync.start(conninfo)
    door = doors.make(settings, telemetry=True)
    serve(door.app, listener, trusted_proxies=settings.trusted_proxies, grace_s=5)
