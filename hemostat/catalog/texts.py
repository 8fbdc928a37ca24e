"""The sentences of what happens in the catalog."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "catalog.service_added": _("The service {label} was added as {tier}."),
    "catalog.service_changed": _("The service {label} was changed."),
    "catalog.service_discovered": _("Telemetry named a service not known before: {label}."),
    "catalog.environment_added": _("The environment {environment} was added."),
}
