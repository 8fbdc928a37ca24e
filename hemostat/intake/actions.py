"""Everything that can happen to sources. What sources send is written by the door (`store`), never here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils.translation import gettext as _

from hemostat.base import clock, wake
from hemostat.base.ids import NewToken, new_token, slugify_ascii
from hemostat.base.refusals import RefusedError
from hemostat.catalog.actions import ensure_environment
from hemostat.catalog.models import Environment
from hemostat.events.actions import record
from hemostat.events.rules import Ref
from hemostat.intake import store
from hemostat.intake.models import Protocol, Source


def _ref(source: Source) -> Ref:
    return Ref("source", source.slug, source.name)


def _set_token(source: Source) -> NewToken:
    token = new_token()
    source.public_id, source.digest = token.public_id, token.digest
    return token


def _live(source_id: int) -> Source:
    source = Source.objects.select_for_update().get(pk=source_id)
    if source.revoked_at is not None:
        raise RefusedError(
            _("The source “%(slug)s” was revoked; add a new one instead.") % {"slug": source.slug},
            field="source",
            conflict=True,
        )
    return source


class CursorMovedError(RuntimeError):
    """Somebody else has folded on from where we believed to be."""


@dataclass(frozen=True, slots=True)
class Move:
    """The groups of one process after `before` up to `after` are folded; `parked`: those that could not be."""

    proc: int
    before: int
    after: int
    parked: tuple[tuple[int, str], ...] = ()
    """(group id, reason)"""


def move_cursors(moves: Sequence[Move]) -> None:
    """Note how far the inbox is folded, in the transaction that stores what was folded.

    Raises `CursorMovedError` when one of the cursors is not where its move begins: then nothing of it may be stored.
    No event: folding is not something that happened, what it finds is.
    """
    parked = [json.dumps([{"group": group, "reason": reason[:500]} for group, reason in m.parked]) for m in moves]
    with connection.cursor() as cursor:
        cursor.execute(
            store.MOVE_CURSORS,
            [[m.proc for m in moves], [m.before for m in moves], [m.after for m in moves], parked],
        )
        if cursor.rowcount != len(moves):
            raise CursorMovedError("another engine has folded these groups")


def add_source(*, name: str, protocol: Protocol | str, environment_slug: str, actor: Ref) -> tuple[Source, str]:
    """Add a sender; returns it and its token, which is shown this once and stored only as a hash.

    The environment is made when it is not there. Raises `RefusedError`.
    """
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise RefusedError(_("A source needs a name of at most 120 characters."), field="name")
    if protocol not in Protocol.values:
        raise RefusedError(
            _("“%(text)s” is not a protocol; there are: %(known)s.")
            % {"text": protocol, "known": ", ".join(Protocol.values)},
            field="protocol",
        )
    slug = slugify_ascii(name)
    with transaction.atomic():
        environment = ensure_environment(environment_slug)
        if Source.objects.filter(slug=slug).exists():
            raise RefusedError(
                _("There already is a source “%(slug)s”; choose another name.") % {"slug": slug},
                field="name",
                conflict=True,
            )
        source = Source(
            slug=slug,
            name=name,
            protocol=Protocol(protocol),
            environment=Environment.objects.get(slug=environment.slug),
            created_at=clock.now(),
        )
        token = _set_token(source)
        source.save()
        record(
            "intake.source_added",
            actor=actor,
            subjects=[_ref(source)],
            params={"source": name, "protocol": source.protocol, "environment": environment.slug},
        )
        wake.wake(wake.INTAKE, "sources")
    return source, token.text


def rotate_source(source_id: int, *, actor: Ref) -> tuple[Source, str]:
    """Give a source a new token; the old one stops working within a second.

    Raises `Source.DoesNotExist`, and `RefusedError` for one that was revoked.
    """
    with transaction.atomic():
        source = _live(source_id)
        token = _set_token(source)
        source.save(update_fields=["public_id", "digest"])
        record("intake.source_rotated", actor=actor, subjects=[_ref(source)], params={"source": source.name})
        wake.wake(wake.INTAKE, "sources")
    return source, token.text


def revoke_source(source_id: int, *, actor: Ref) -> None:
    """Take a source's token away for good; what it sent stays.

    Raises `Source.DoesNotExist`, and `RefusedError` for one that was revoked.
    """
    with transaction.atomic():
        source = _live(source_id)
        source.revoked_at = clock.now()
        source.save(update_fields=["revoked_at"])
        record("intake.source_revoked", actor=actor, subjects=[_ref(source)], params={"source": source.name})
        wake.wake(wake.INTAKE, "sources")
