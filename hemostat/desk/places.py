"""The room's places in the navigation."""

from __future__ import annotations

import os

from django.utils.translation import gettext_lazy as _

from hemostat.base.navigation import Entry
from hemostat.desk.queries.now import open_count
from hemostat.people.rules import Permission

PLACES = [
    Entry("desk:now", _("Now"), "now", Permission.READ, 10, tab=True),
    Entry("desk:incidents", _("Incidents"), "warn", Permission.READ, 20, tab=True, badge=open_count),
    Entry("desk:sources", _("Sources"), "server", Permission.READ, 60, tab=True),
    Entry("desk:set_up", _("Set-up"), "gear", Permission.READ, 70),
]
if os.environ.get("HEMOSTAT_DEMO_MAILBOX"):
    PLACES.append(Entry("desk:mailbox", _("Mailbox of the demo"), "mail", Permission.READ, 80))
