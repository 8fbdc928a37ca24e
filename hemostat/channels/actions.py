"""Everything that can happen to contact methods and notices.

A contact method works only after an answer came back through it: a code is sent by it, and the person types it in.
"""

from __future__ import annotations

import base64
import hmac
import secrets as random
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import override

from hemostat.base import clock, secrets
from hemostat.base.ids import uuid7
from hemostat.base.refusals import RefusedError
from hemostat.channels import queries
from hemostat.channels.base import Channel, channel, kinds
from hemostat.channels.models import ContactMethod, Notice
from hemostat.channels.rules import Message, Outcome, OutcomeKind
from hemostat.events.actions import record
from hemostat.events.rules import Ref
from hemostat.people.models import User

CODE_LASTS = timedelta(minutes=15)
CODE_TRIES = 5
CODE_EVERY = timedelta(seconds=20)
"""Between two codes: sending them is not for making somebody's phone ring."""


@dataclass(frozen=True)
class AddedMethod:
    """A contact method just added; `secret` is its signing secret ("" : none), shown once."""

    method: ContactMethod
    secret: str


def _ref(user: User) -> Ref:
    return Ref("user", str(user.pk), str(user))


def add_method(*, user: User, kind: str, address: str, actor: Ref, verified: bool = False) -> AddedMethod:
    """Add a way to reach `user`, after those they have. `verified` is for the console: the operator vouches for it.

    Raises RefusedError naming the field: an unknown channel, an address that cannot be right, or one that is there.
    """
    if kind not in kinds():
        raise RefusedError(_("There is no channel “%(kind)s”.") % {"kind": kind}, field="kind")
    way = channel(kind)
    address = way.check(address)
    now = clock.now()
    secret = "whsec_" + base64.b64encode(random.token_bytes(24)).decode() if way.needs_secret else ""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        _refuse_twice(user, kind, address)
        last = ContactMethod.objects.filter(user=user).aggregate(last=Max("position"))["last"]
        method = ContactMethod.objects.create(
            user=user,
            kind=kind,
            label=way.label(address)[:254],
            destination=way.destination(address)[:254],
            address=secrets.seal(address) if address else "",
            secret=secrets.seal(secret) if secret else "",
            position=0 if last is None else last + 1,
            # Being signed in, and seeing the page that shows notices, is the answer that in-app needs.
            verified_at=now if verified or kind == ContactMethod.Kind.IN_APP else None,
            created_at=now,
        )
        record(
            "channels.method_added", actor=actor, subjects=[_ref(user)], params={"way": str(method), "name": str(user)}
        )
    return AddedMethod(method, secret)


def _refuse_twice(user: User, kind: str, address: str) -> None:
    for row in ContactMethod.objects.filter(user=user, kind=kind):
        if (secrets.open_(row.address) if row.address else "") == address:
            raise RefusedError(_("This way is there already."), field="address", conflict=True)


def remove_method(method_id: int, *, user: User, actor: Ref) -> bool:
    """Remove one of the person's ways; messages on their way by it are told to fail over. False: there was none."""
    with transaction.atomic():
        method = ContactMethod.objects.select_for_update().filter(pk=method_id, user=user).first()
        if method is None:
            return False
        shown = str(method)
        method.delete()
        record("channels.method_removed", actor=actor, subjects=[_ref(user)], params={"way": shown, "name": str(user)})
    return True


def order_methods(method_ids: list[int], *, user: User) -> None:
    """Put the person's ways into this order; those not named keep theirs, after the named ones."""
    with transaction.atomic():
        rows = {row.pk: row for row in ContactMethod.objects.select_for_update().filter(user=user)}
        wanted = [pk for pk in dict.fromkeys(method_ids) if pk in rows]
        for position, pk in enumerate([*wanted, *(pk for pk in rows if pk not in wanted)]):
            rows[pk].position = position
        ContactMethod.objects.bulk_update(rows.values(), ["position"])


def send_code(method_id: int, *, user: User) -> Outcome:
    """Send a code through one of the person's ways; typing it in proves that it works.

    Raises RefusedError when there is no such way, or a code was sent a moment ago.
    """
    with transaction.atomic():
        method = ContactMethod.objects.select_for_update().filter(pk=method_id, user=user).first()
        if method is None:
            raise RefusedError(_("This way was removed."))
        now = clock.now()
        if method.code_sent_at is not None and now - method.code_sent_at < CODE_EVERY:
            raise RefusedError(_("A code was sent a moment ago. Wait for it before asking for another."))
        code = f"{random.randbelow(10**6):06}"
        method.code, method.code_sent_at, method.code_tries = secrets.seal(code), now, 0
        method.save()
    with override(user.language):
        message = Message(
            id=uuid7(now),
            kind="code",
            title=_("%(code)s is your code for Hemostat") % {"code": code},
            lead=_("Type it in on your profile page. It works for 15 minutes; then pages can reach you this way."),
            footer=_("If you did not ask for it, nothing needs to be done."),
            language=user.language,
            data={"code": code},
        )
    return _send(method, message)


def verify(method_id: int, code: str, *, user: User) -> None:
    """The person typed in the code that came. Raises RefusedError(field="code") when it is not the right one."""
    with transaction.atomic():
        method = ContactMethod.objects.select_for_update().filter(pk=method_id, user=user).first()
        if method is None:
            raise RefusedError(_("This way was removed."))
        now = clock.now()
        spent = method.code_tries >= CODE_TRIES or method.code_sent_at is None or now - method.code_sent_at > CODE_LASTS
        wrong = spent or not method.code or not hmac.compare_digest(secrets.open_(method.code), code.strip())
        if not wrong:
            method.verified_at, method.code, method.code_tries = now, "", 0
            record(
                "channels.method_verified",
                actor=_ref(user),
                subjects=[_ref(user)],
                params={"way": str(method), "name": str(user)},
            )
        else:
            method.code_tries += 1
        method.save()
    if spent:
        raise RefusedError(_("This code has run out. Send a new one."), field="code")
    if wrong:
        raise RefusedError(_("This is not the code. Look again, or send a new one."), field="code")


def send_test(method_id: int, *, user: User) -> Outcome:
    """Send a test message through one of the person's ways. Raises RefusedError when there is no such way."""
    method = ContactMethod.objects.filter(pk=method_id, user=user).first()
    if method is None:
        raise RefusedError(_("This way was removed."))
    with override(user.language):
        message = Message(
            id=uuid7(clock.now()),
            kind="test",
            title=_("Test of Hemostat: this is how a page reaches you"),
            lead=_("Nothing is wrong. You asked for a test message."),
            language=user.language,
        )
    return _send(method, message)


def _send(method: ContactMethod, message: Message) -> Outcome:
    to = queries.address(method.pk)
    if to is None:
        raise RefusedError(_("This way was removed."))
    way: Channel = channel(method.kind)
    outcome = way.send(to, message)
    if outcome.kind is OutcomeKind.REFUSED and method.verified_at is None:
        raise RefusedError(_("It was refused: %(answer)s") % {"answer": outcome.answer}, field="address")
    return outcome


def put_notice(user_id: int, message: Message) -> None:
    """Show a message on the pages of a person until it is seen; the same message again changes nothing."""
    Notice.objects.get_or_create(
        idempotency_key=message.id,
        defaults={
            "user_id": user_id,
            "title": message.title[:300],
            "lead": message.lead,
            # The first link of a page answers it; signed in, one wants the incident itself.
            "url": message.buttons[-1].url[:300] if message.buttons else "",
            "severity": message.severity,
            "created_at": clock.now(),
        },
    )


def see(notice_id: int, *, user: User) -> bool:
    """The person has seen a notice of theirs. False: there is none, or it was seen before."""
    rows = Notice.objects.filter(pk=notice_id, user=user, seen_at__isnull=True)
    return bool(rows.update(seen_at=clock.now()))
