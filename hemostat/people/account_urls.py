"""Those pages of allauth that we use, under the names it looks them up by, each with the permission it needs.

Signing up, changing the address and resetting a password by mail are left out on purpose: an owner adds people
and hands them a link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as second_step_base
from allauth.mfa.recovery_codes import views as recovery_codes
from django.http import HttpRequest, HttpResponseBase
from django.urls import path

from hemostat.people import queries, second_step
from hemostat.people.access import requires, to_sign_in
from hemostat.people.rules import Permission

public = requires(Permission.PUBLIC)
signed_in = requires(Permission.SIGNED_IN)


def _once_claimed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """While there is no account, signing in leads to the first-run page."""

    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return view(request, **kwargs) if queries.anybody() else to_sign_in(request)

    return answer


urlpatterns = [
    path("login/", public(_once_claimed(account.login)), name="account_login"),
    path("logout/", public(account.logout), name="account_logout"),
    path("inactive/", public(account.account_inactive), name="account_inactive"),
    path("again/", signed_in(account.reauthenticate), name="account_reauthenticate"),
    path("password/", signed_in(account.password_change), name="account_change_password"),
    path("code/", public(second_step_base.authenticate), name="mfa_authenticate"),
    path("code/again/", signed_in(second_step_base.reauthenticate), name="mfa_reauthenticate"),
    path("codes/", signed_in(second_step.overview), name="mfa_index"),
    path("codes/set-up/", signed_in(second_step.Activate.as_view()), name="mfa_activate_totp"),
    path("codes/give-up/", signed_in(second_step.Deactivate.as_view()), name="mfa_deactivate_totp"),
    path("recovery/", signed_in(recovery_codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("recovery/new/", signed_in(second_step.MakeRecoveryCodes.as_view()), name="mfa_generate_recovery_codes"),
    path("recovery/file/", signed_in(recovery_codes.download_recovery_codes), name="mfa_download_recovery_codes"),
]
