"""Writing the registry where people or the diagnosis do it; the intake registers what it meets through its
store.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from hemostat.base import clock
from hemostat.coordinates.models import ExceptionCoordinate, LinkCoordinate, SystemCoordinate
from hemostat.coordinates.rules import exceptions, link
from hemostat.coordinates.rules.exceptions import NodeException
from hemostat.coordinates.rules.system import System
from hemostat.events import actions as events
from hemostat.events.rules import Ref


def describe(code: str, *, meaning: str, owner: str, actor: Ref) -> None:
    """Say what an exception coordinate means and who owns it; raises `ExceptionCoordinate.DoesNotExist`."""
    with transaction.atomic():
        row = ExceptionCoordinate.objects.select_for_update().get(pk=code)
        row.meaning = meaning
        row.owner = owner
        row.save(update_fields=["meaning", "owner"])
        events.record(
            "coordinates.described",
            actor=actor,
            subjects=[Ref("coordinate", code, f"{row.exception_class}:{row.error_code}")],
            params={"meaning": meaning, "owner": owner},
        )


def register(path: Sequence[System], exception: NodeException) -> tuple[str, str]:
    """Make a link and an exception known that were concluded rather than met; returns their codes.
    Idempotent.

    No event: like the coordinates that the intake meets, these are vocabulary, not something that happened.
    """
    now = clock.now()
    codes = [s.code for s in path]
    link_code = link.code(codes)
    exception_code = exceptions.code(exception.system, exception.exception_class, exception.error_code, exception.peer)
    with transaction.atomic():
        SystemCoordinate.objects.bulk_create(
            [
                SystemCoordinate(code=s.code, app_id=s.app_id, entry=s.entry, first_seen_at=now)
                for s in dict.fromkeys(path)
            ],
            ignore_conflicts=True,
        )
        LinkCoordinate.objects.bulk_create(
            [LinkCoordinate(code=link_code, path=codes, first_seen_at=now)], ignore_conflicts=True
        )
        ExceptionCoordinate.objects.bulk_create(
            [
                ExceptionCoordinate(
                    code=exception_code,
                    system=exception.system,
                    exception_class=exception.exception_class,
                    error_code=exception.error_code,
                    peer=exception.peer,
                    first_seen_at=now,
                )
            ],
            ignore_conflicts=True,
        )
    return link_code, exception_code
