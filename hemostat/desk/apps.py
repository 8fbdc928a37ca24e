"""Django's registration of the room, and its places in the navigation."""

from __future__ import annotations

import os

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    """The `desk` room."""

    name = "hemostat.desk"
    label = "desk"

    def ready(self) -> None:  # house: ready - the navigation is a registry that rooms fill
        from hemostat.base.navigation import Entry, register
        from hemostat.desk.queries.now import open_count
        from hemostat.people.rules import Permission

        read = Permission.READ
        register(Entry("desk:now", _("Now"), "now", read, 10, tab=True))
        register(Entry("desk:incidents", _("Incidents"), "warn", read, 20, tab=True, badge=open_count))
        register(Entry("desk:sources", _("Sources"), "server", read, 60, tab=True))
        register(Entry("desk:set_up", _("Set-up"), "gear", read, 70))
        if os.environ.get("HEMOSTAT_DEMO_MAILBOX"):
            register(Entry("desk:mailbox", _("Mailbox of the demo"), "mail", read, 80))
