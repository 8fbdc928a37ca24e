"""What people type about their ways. Forms look at shape only; the actions decide."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from hemostat.channels.models import ContactMethod
from hemostat.people.forms import HouseForm


class MethodForm(HouseForm):
    """A new way to be reached."""

    kind = forms.ChoiceField(label=_("Way"), choices=ContactMethod.Kind.choices)
    address = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_("An e-mail address, or the URL of a webhook; none for in-app."),
    )


class CodeForm(HouseForm):
    """The code that came back."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )
