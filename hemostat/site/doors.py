"""Making the door of a process from the settings; free of Django."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from hemostat.intake.door import Door, DoorSettings
from hemostat.site import database, keys
from hemostat.site.config import Config


def telemetry_url(settings: Config) -> str:
    """Where senders reach the intake, as seen from where people reach the pages."""
    return f"http://{urlsplit(settings.public_url).hostname or 'localhost'}:{settings.intake_port}"


def make(settings: Config, *, telemetry: bool) -> Door:
    """The door of the intake (`telemetry`) or of the web process, which takes alerts alone."""
    # A key of its own, derived: hashed user ids tell nothing about the key that signs sessions.
    secret = keys.signing_keys(settings)[0].encode()
    user_key = hashlib.blake2b(secret, digest_size=32, person=b"hemostat-users").digest()
    return Door(
        DoorSettings(
            conninfo=database.conninfo(settings),
            user_key=user_key,
            telemetry=telemetry,
            telemetry_url=telemetry_url(settings),
        )
    )
