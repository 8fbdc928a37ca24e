"""The room's places in the navigation."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from hemostat.base.navigation import Entry
from hemostat.people.rules import Permission

PLACES = [
    Entry("people:people", _("People"), "users", Permission.MANAGE_PEOPLE, 85),
    Entry("people:profile", _("You"), "user", Permission.SIGNED_IN, 90),
]
