"""allauth's pages for sign-in codes, with the event each change leaves."""

from __future__ import annotations

from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from hemostat.people import actions
from hemostat.people.access import current_user


class Activate(ActivateTOTPView):  # type: ignore[misc]
    """Set up an authenticator app."""

    def form_valid(self, form: BaseForm) -> HttpResponse:
        """The first code was right."""
        with transaction.atomic():
            response: HttpResponse = super().form_valid(form)
            actions.note_second_step("totp_added", current_user(self.request))
        return response


class Deactivate(DeactivateTOTPView):  # type: ignore[misc]
    """Give up the authenticator app; its recovery codes end with it."""

    def form_valid(self, form: BaseForm) -> HttpResponse:
        """It was confirmed."""
        with transaction.atomic():
            response: HttpResponse = super().form_valid(form)
            actions.note_second_step("totp_removed", current_user(self.request))
        return response


class MakeRecoveryCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    """New recovery codes in place of the old ones."""

    def form_valid(self, form: BaseForm) -> HttpResponse:
        """It was confirmed."""
        with transaction.atomic():
            response: HttpResponse = super().form_valid(form)
            actions.note_second_step("recovery_codes_made", current_user(self.request))
        return response


def overview(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """Where allauth leads after a change: the profile shows what there is."""
    return redirect("people:profile")
