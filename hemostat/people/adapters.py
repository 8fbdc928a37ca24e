"""What we tell allauth: sign-up is closed, secrets are sealed, whatever happens goes through `actions`."""

from __future__ import annotations

from typing import Any

import segno
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hemostat.base import secrets
from hemostat.people import actions, queries
from hemostat.people.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an owner, by the first-run page or by command; never by signing up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("The address and the password do not belong together."),
        "too_many_login_attempts": _("Too many wrong tries for this address. Wait 5 minutes, then try again."),
        "incorrect_password": _("That is not your password."),
        "incorrect_code": _("That is not the present code."),
        "account_inactive": _("This account has been shut. Ask an owner."),
        "rate_limited": _("Too many tries from your address. Wait a minute, then try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        """Nobody makes an account for themselves."""
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """The pages themselves show what happened; nothing is queued to appear somewhere else."""

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Every step has been passed."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        actions.note_sign_in(user)
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:  # noqa: ARG002
        """A wrong password, or a code that is not the present one."""
        if user := queries.user_by_email(credentials.get("email") or ""):
            actions.note_failed_sign_in(user)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether `password` is that of `user`, who is signed in already; counts as a try to sign in."""
        found = self.authenticate(self.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        """Back to where it was asked for."""
        return reverse("people:profile")

    def set_password(self, user: User, password: str) -> None:
        """A person changed their own password."""
        actions.set_password(user, password=password, actor=queries.ref(user))


class SecondStepAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Sign-in codes: their keys are sealed in the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That is not the present code. Codes change every 30 seconds."),
    }

    def encrypt(self, text: str) -> str:
        """As it is stored."""
        return secrets.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """As it was given."""
        return secrets.open_(encrypted_text)

    def get_totp_issuer(self) -> str:
        """What the authenticator app shows above the address."""
        return "Hemostat"

    def build_totp_svg(self, url: str) -> str:
        """The picture to scan: dark modules with a quiet zone, on white in every theme."""
        drawing = segno.make(url, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff")
        return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
