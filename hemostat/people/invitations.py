"""The link with which a person chooses their password: for somebody just added, or who has forgotten theirs.

Nothing is stored: the link is signed over the user's id, password, last sign-in and address, so that it ends when
it is used, when they sign in, and after `settings.PASSWORD_RESET_TIMEOUT` seconds.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urljoin

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from hemostat.base import clock
from hemostat.people.models import User


class _Invitations(PasswordResetTokenGenerator):
    key_salt = "hemostat.people.invitations"

    def _now(self) -> datetime:
        return clock.now().replace(tzinfo=None)


_invitations = _Invitations()


def make(user: User) -> str:
    """A token for `user`, to be put into their link."""
    return _invitations.make_token(user)


def link(user: User) -> str:
    """The whole address to hand to `user`, as people reach this installation."""
    return urljoin(settings.CONFIG.public_url, reverse("people:join", args=[user.pk, make(user)]))


def holder(user_id: int, token: str) -> User | None:
    """The active user whose link this is, while it is good."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return user if user is not None and _invitations.check_token(user, token) else None
