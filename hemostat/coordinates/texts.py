"""Sentences of the room: what is said of coordinates and the classes of exceptions."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "coordinates.described": _("{actor} said what this coordinate means: {meaning}"),
    "coordinates.class.internal": _("its own logic failed"),
    "coordinates.class.dependency": _("a call to another system failed"),
    "coordinates.class.result": _("a call answered with a failing result"),
    "coordinates.class.resource": _("something limited ran out"),
    "coordinates.class.slow": _("it took far longer than usual"),
}
