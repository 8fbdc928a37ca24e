"""What people type on the pages of this room. Forms look at shape only; the actions decide."""

from __future__ import annotations

import zoneinfo
from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm
from allauth.account.forms import ReauthenticateForm as PasswordAgainForm
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as CodeAgainForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from hemostat.base.refusals import RefusedError
from hemostat.people.rules import ROLE_LABELS, ROLE_SENTENCES, THEME_LABELS, Role, Theme


def dress(form: forms.BaseForm) -> None:
    """The classes of the design system; no placeholders, since every field has its label."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
        if not isinstance(field.widget, forms.CheckboxInput | forms.RadioSelect):
            field.widget.attrs["class"] = "input"


class HouseForm(forms.Form):
    """A form in the house style."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)

    def refuse(self, error: RefusedError) -> None:
        """Show why it cannot be done, beside the field at fault."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


def _new_password() -> forms.CharField:
    return forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("10 characters or more; a sentence is easier to keep than a riddle."),
    )


def _email() -> forms.EmailField:
    return forms.EmailField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )


def _name(autocomplete: str = "name") -> forms.CharField:
    return forms.CharField(
        label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": autocomplete})
    )


class SetupForm(HouseForm):
    """The first account."""

    code = forms.CharField(
        label=_("Code from the console"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    name = _name()
    email = _email()
    password = _new_password()


class PersonForm(HouseForm):
    """Somebody to add."""

    name = _name("off")
    email = forms.EmailField(label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        label=_("Role"), choices=[(r.value, ROLE_LABELS[r]) for r in Role], initial=Role.RESPONDER.value
    )


class RoleForm(HouseForm):
    """Another role for somebody."""

    role = forms.ChoiceField(label=_("Role"), choices=[(r.value, ROLE_LABELS[r]) for r in Role])


class PasswordForm(HouseForm):
    """The password of somebody who followed their link."""

    password = _new_password()


class ProfileForm(HouseForm):
    """What people say about themselves."""

    name = _name()
    time_zone = forms.ChoiceField(label=_("Time zone"), widget=forms.Select(attrs={"translate": "no"}))
    language = forms.ChoiceField(label=_("Language"))
    theme = forms.ChoiceField(label=_("Look"), choices=[(t.value, THEME_LABELS[t]) for t in Theme])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zoneinfo.available_timezones())
        self.fields["time_zone"].choices = [(z, z.replace("_", " ")) for z in zones]  # type: ignore[attr-defined]
        self.fields["language"].choices = settings.LANGUAGES  # type: ignore[attr-defined]


class TokenForm(HouseForm):
    """A token to make."""

    name = forms.CharField(
        label=_("What is it for?"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class SignInForm(LoginForm):  # type: ignore[misc]
    """Signing in with a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("E-mail")
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""
        self.fields["remember"].label = _("Stay signed in here for 30 days")
        self.fields["remember"].initial = True
        dress(self)


class CodeForm(AuthenticateForm):  # type: ignore[misc]
    """The second step of signing in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress_code(self)


class PasswordOnceMoreForm(PasswordAgainForm):  # type: ignore[misc]
    """The password again, before keys are changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)


class CodeOnceMoreForm(CodeAgainForm):  # type: ignore[misc]
    """The code again, before keys are changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress_code(self)


class FirstCodeForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an authenticator app, which proves that it was set up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress_code(self)


class NewPasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """Another password for oneself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = _("Present password")
        self.fields["password1"].label = _("New password")
        self.fields["password1"].help_text = _("10 characters or more; a sentence is easier to keep than a riddle.")
        self.fields["password2"].label = _("New password again")
        dress(self)


def _dress_code(form: forms.BaseForm) -> None:
    form.fields["code"].label = _("Code")
    form.fields["code"].widget.attrs.update({"inputmode": "text", "autofocus": True, "spellcheck": "false"})
    dress(form)


def role_lines() -> list[tuple[str, str]]:
    """Each role and what it may do, for the pages that let one be chosen."""
    return [(str(ROLE_LABELS[role]), str(ROLE_SENTENCES[role])) for role in Role]
