"""The sentences of what alerts do."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "alerts.firing": _("{source} says: {name} ({level})."),
    "alerts.resolved": _("{source} says: {name} is over after {lasted_s:dur}."),
}
