"""The room's place in the navigation."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from hemostat.base.navigation import Entry
from hemostat.people.rules import Permission

PLACES = [Entry("plans:plans", _("Plans"), "layers", Permission.READ, 50)]
