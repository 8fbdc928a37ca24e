"""Reading the registry: what a short code stands for."""

from __future__ import annotations

from dataclasses import dataclass

from hemostat.coordinates.models import ExceptionCoordinate, LinkCoordinate, SystemCoordinate
from hemostat.coordinates.rules.exceptions import ExceptionClass, NodeException
from hemostat.coordinates.rules.link import Link
from hemostat.coordinates.rules.system import System


@dataclass(frozen=True)
class ExceptionView:
    """A node-exception coordinate with what people wrote about it."""

    code: str
    coordinate: NodeException
    system: System | None
    """None when the registry has not met the system yet"""
    meaning: str
    owner: str


def system(code: str) -> System | None:
    """The system coordinate of a code, None when unknown."""
    row = SystemCoordinate.objects.filter(pk=code).first()
    return System(row.app_id, row.entry) if row else None


def link(code: str) -> Link | None:
    """The link coordinate of a code, written out; None when it, or one of its systems, is unknown."""
    row = LinkCoordinate.objects.filter(pk=code).first()
    if row is None:
        return None
    known = {s.code: System(s.app_id, s.entry) for s in SystemCoordinate.objects.filter(pk__in=set(row.path))}
    if not row.path or not set(row.path) <= set(known):
        return None
    return Link(tuple(known[c] for c in row.path), row.partial)


def exception(code: str) -> ExceptionView | None:
    """The exception coordinate of a code, None when unknown."""
    row = ExceptionCoordinate.objects.filter(pk=code).first()
    if row is None:
        return None
    return ExceptionView(
        code=row.code,
        coordinate=NodeException(row.system, ExceptionClass(row.exception_class), row.error_code, row.peer),
        system=system(row.system),
        meaning=row.meaning,
        owner=row.owner,
    )
