"""Django's registration of the room, and its place in the navigation."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlansConfig(AppConfig):
    """The `plans` room."""

    name = "hemostat.plans"
    label = "plans"

    def ready(self) -> None:  # house: ready - the navigation is a registry that rooms fill
        from hemostat.base.navigation import Entry, register
        from hemostat.people.rules import Permission

        register(Entry("plans:plans", _("Plans"), "layers", Permission.READ, 50))
