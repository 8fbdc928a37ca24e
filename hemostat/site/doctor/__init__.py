"""`hemostat doctor`: everything a newcomer can get wrong, looked at, with what to do about each.

The machine first, then the database, then what is in it; where one fails, what stands on it is not asked.
"""

from __future__ import annotations

from hemostat.site.config import config
from hemostat.site.doctor import machine, server
from hemostat.site.doctor.findings import Finding


def examine() -> list[Finding]:
    """Look at everything; never raises for what is wrong with the installation (a bad setting raises `ConfigError`)."""
    settings = config()
    findings = [*machine.examine(settings), *server.examine(settings)]
    if any(finding.blocks for finding in findings):
        return findings
    from hemostat.site.django import django_setup

    django_setup()
    from hemostat.site.doctor import contents

    return [*findings, *contents.examine(settings)]


__all__ = ["Finding", "examine"]
