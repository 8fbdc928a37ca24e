"""Everything that can happen to people and their keys; each in one transaction, with its event.

Every action that takes something away keeps one promise: there is always an active owner.
"""

from __future__ import annotations

import hmac
import zoneinfo
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from hemostat.base import clock, secrets
from hemostat.base.ids import new_token, token_digest
from hemostat.base.refusals import RefusedError
from hemostat.base.texts import duration
from hemostat.events.actions import record
from hemostat.events.rules import CONSOLE, Ref
from hemostat.people import queries
from hemostat.people.models import ApiToken, KeptAnswer, SetupCode, User
from hemostat.people.rules import Role, Theme, Tries, new_setup_code, normal_setup_code

TOKEN_USE_GRAIN = timedelta(minutes=1)
KEPT_ANSWERS_FOR = timedelta(hours=24)


def _checked_email(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise RefusedError(_("“%(text)s” is not an e-mail address.") % {"text": email}, field="email") from error
    return email


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise RefusedError(_("A name is missing."), field="name")
    if len(name) > 120:
        raise RefusedError(_("The name is longer than 120 characters."), field="name")
    return name


def _checked_password(password: str, user: User) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise RefusedError(" ".join(error.messages), field="password") from error
    return password


def _checked_role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        known = ", ".join(r.value for r in Role)
        raise RefusedError(
            _("“%(text)s” is not a role; there are: %(known)s.") % {"text": role, "known": known},
            field="role",
        ) from error


def _locked(user_id: int) -> User:
    """The user, locked; the owners first and in one order, so that two of them cannot remove each other."""
    list(User.objects.select_for_update().filter(role=Role.OWNER, is_active=True).order_by("pk"))
    return User.objects.select_for_update().get(pk=user_id)


def _keep_an_owner(user: User) -> None:
    """Refuse what would leave the installation without an owner; call with `_locked` rows."""
    is_owner = user.is_active and Role(user.role) is Role.OWNER
    if is_owner and not User.objects.filter(role=Role.OWNER, is_active=True).exclude(pk=user.pk).exists():
        raise RefusedError(
            _("%(name)s is the last owner. Make somebody else an owner first.") % {"name": user},
            field="role",
            conflict=True,
        )


def _happened(kind: str, user: User, actor: Ref, params: Mapping[str, Any] | None = None, *others: Ref) -> None:
    record(kind, actor=actor, subjects=[queries.ref(user), *others], params={"name": str(user), **(params or {})})


def add_user(
    *,
    email: str,
    name: str,
    role: Role | str,
    password: str | None,
    actor: Ref,
    time_zone: str = "UTC",
    language: str = "en",
) -> User:
    """Add a person; without a password they need a link from `invite`. Raises `RefusedError`."""
    user = User(
        email=_checked_email(email),
        name=_checked_name(name),
        role=_checked_role(role),
        time_zone=time_zone,
        language=language,
        created_at=clock.now(),
    )
    if password is None:
        user.set_unusable_password()
    else:
        user.set_password(_checked_password(password, user))
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            _happened("people.user_added", user, actor, {"role": user.role})
    except IntegrityError as error:
        raise RefusedError(
            _("There already is somebody with the address %(email)s.") % {"email": user.email},
            field="email",
            conflict=True,
        ) from error
    return user


def change_role(user_id: int, *, role: Role | str, actor: Ref) -> User:
    """Give a person another role; the last owner keeps theirs."""
    after = _checked_role(role)
    with transaction.atomic():
        user = _locked(user_id)
        before = Role(user.role)
        if before is after:
            return user
        _keep_an_owner(user)
        user.role = after
        user.save(update_fields=["role"])
        _happened("people.role_changed", user, actor, {"before": before.value, "after": after.value})
    return user


def deactivate(user_id: int, *, actor: Ref) -> User:
    """Shut a person out: no sign-in, no token works, open sessions end at their next request."""
    with transaction.atomic():
        user = _locked(user_id)
        if not user.is_active:
            return user
        _keep_an_owner(user)
        user.is_active = False
        user.save(update_fields=["is_active"])
        _happened("people.deactivated", user, actor)
    return user


def reactivate(user_id: int, *, actor: Ref) -> User:
    """Let a person in again, with the role they had."""
    with transaction.atomic():
        user = _locked(user_id)
        if user.is_active:
            return user
        user.is_active = True
        user.save(update_fields=["is_active"])
        _happened("people.reactivated", user, actor)
    return user


def change_profile(user: User, *, name: str, time_zone: str, language: str, theme: Theme | str) -> User:
    """What a person says about themselves. Raises `RefusedError` naming the field."""
    if time_zone not in zoneinfo.available_timezones():
        raise RefusedError(_("“%(text)s” is not a time zone.") % {"text": time_zone}, field="time_zone")
    if language not in dict(settings.LANGUAGES):
        raise RefusedError(_("“%(text)s” is not a language we speak.") % {"text": language}, field="language")
    if theme not in set(Theme):
        raise RefusedError(_("“%(text)s” is not a look we have.") % {"text": theme}, field="theme")
    with transaction.atomic():
        user.name, user.time_zone, user.language, user.theme = (
            _checked_name(name),
            time_zone,
            language,
            Theme(theme),
        )
        user.save(update_fields=["name", "time_zone", "language", "theme"])
        _happened("people.profile_changed", user, queries.ref(user))
    return user


def set_password(user: User, *, password: str, actor: Ref) -> None:
    """Set a password; raises `RefusedError` when it is too easy to guess."""
    with transaction.atomic():
        user.set_password(_checked_password(password, user))
        user.save(update_fields=["password"])
        _happened("people.password_changed", user, actor)


def note_invitation(user: User, *, actor: Ref) -> None:
    """Record that a link to choose a password was made for `user`."""
    with transaction.atomic():
        _happened("people.invited", user, actor)


def create_token(*, user: User, name: str, actor: Ref) -> tuple[ApiToken, str]:
    """Make a token for `user`; its text is returned once and stored only as a hash."""
    name = _checked_name(name)
    fresh = new_token()
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user, name=name, public_id=fresh.public_id, digest=fresh.digest, created_at=clock.now()
        )
        _happened("people.token_created", user, actor, {"token": name}, Ref("token", fresh.public_id, name))
    return token, fresh.text


def revoke_token(token_id: int, *, actor: Ref) -> bool:
    """End a token at once; False when it had ended already. Raises ApiToken.DoesNotExist."""
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().get(pk=token_id)
        if token.revoked_at is not None:
            return False
        token.revoked_at = clock.now()
        token.save(update_fields=["revoked_at"])
        subject = Ref("token", token.public_id, token.name)
        _happened("people.token_revoked", token.user, actor, {"token": token.name}, subject)
    return True


def note_token_use(token: ApiToken) -> None:
    """Keep when `token` was last used, at most once a minute."""
    now = clock.now()
    if token.last_used_at is None or now - token.last_used_at >= TOKEN_USE_GRAIN:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def note_sign_in(user: User) -> None:
    """Record a sign-in that has passed every step."""
    with transaction.atomic():
        _happened("people.signed_in", user, queries.ref(user))


def note_failed_sign_in(user: User) -> None:
    """Record a try with a wrong password or code; nobody is known to have acted."""
    with transaction.atomic():
        _happened("people.sign_in_failed", user, Ref("unknown", "", _("somebody")))


def note_second_step(kind: str, user: User) -> None:
    """Record a change of the second sign-in step: `totp_added`, `totp_removed` or `recovery_codes_made`."""
    with transaction.atomic():
        _happened(f"people.{kind}", user, queries.ref(user))


def issue_setup_code() -> str:
    """A new one-time code for the first-run page, for the console; older ones no longer work."""
    if queries.anybody():
        raise RefusedError(
            _("There already is an account; sign in, or add one with “hemostat user add”."), conflict=True
        )
    code = new_setup_code()
    now = clock.now()
    with transaction.atomic():
        SetupCode.objects.filter(used_at__isnull=True).update(used_at=now)
        SetupCode.objects.create(digest=token_digest(normal_setup_code(code)), created_at=now)
        record("people.setup_code_issued", actor=CONSOLE, subjects=[])
    return code


def _check_setup_code(typed: str) -> SetupCode:
    """The open code, locked, when `typed` is it; else raise `RefusedError`, the wrong try being counted."""
    now = clock.now()
    with transaction.atomic():
        code = SetupCode.objects.select_for_update().filter(used_at__isnull=True).order_by("-id").first()
        if code is None:
            raise RefusedError(
                _("There is no open code. “hemostat setup-code” on the console prints a new one."),
                field="code",
            )
        tries = Tries(code.failures, code.counting_since)
        if pause := tries.pause(now):
            raise RefusedError(
                _("Too many wrong codes. Try again in %(wait)s, or print a new code on the console.")
                % {"wait": duration(pause.total_seconds())},
                field="code",
            )
        if hmac.compare_digest(bytes(code.digest), token_digest(normal_setup_code(typed))):
            return code
        after = tries.after_failure(now)
        code.failures, code.counting_since = after.failures, after.since
        code.save(update_fields=["failures", "counting_since"])
    raise RefusedError(
        _("That is not the code. The console shows the newest one; older ones no longer work."), field="code"
    )


def redeem_setup_code(typed: str, *, email: str, name: str, password: str, language: str = "en") -> User:
    """Make the first account, an owner, with the code from the console; raises `RefusedError`."""
    code_id = _check_setup_code(typed).pk
    with transaction.atomic():
        code = SetupCode.objects.select_for_update().filter(pk=code_id, used_at__isnull=True).first()
        if code is None or queries.anybody():
            raise RefusedError(_("Somebody else was faster and made the first account."), field="code", conflict=True)
        user = add_user(email=email, name=name, role=Role.OWNER, password=password, actor=CONSOLE, language=language)
        code.used_at = clock.now()
        code.save(update_fields=["used_at"])
        _happened("people.installation_claimed", user, queries.ref(user))
    return user


def claim_answer(user: User, *, key: str, request_digest: bytes) -> KeptAnswer:
    """The row for the answer to `key`, locked; waits while another transaction is at work under the same key."""
    KeptAnswer.objects.filter(user=user, key=key, created_at__lt=clock.now() - KEPT_ANSWERS_FOR).delete()
    fresh = KeptAnswer(user=user, key=key, request_digest=request_digest, created_at=clock.now())
    KeptAnswer.objects.bulk_create([fresh], ignore_conflicts=True)
    return KeptAnswer.objects.select_for_update().get(user=user, key=key)


def keep_answer(kept: KeptAnswer, *, body: str) -> None:
    """Keep the answer to a request, sealed."""
    kept.body = secrets.seal(body)
    kept.save(update_fields=["body"])


def forget_kept_answers(now: datetime) -> int:
    """Delete kept answers older than a day; returns how many."""
    deleted, _by_model = KeptAnswer.objects.filter(created_at__lt=now - KEPT_ANSWERS_FOR).delete()
    return deleted


def forget_ended_sessions(now: datetime) -> int:
    """Delete sessions that can no longer be used; returns how many."""
    deleted, _by_model = Session.objects.filter(expire_date__lt=now).delete()
    return deleted
