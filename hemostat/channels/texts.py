"""Sentences of the room."""

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "channels.method_added": _("{actor} added a way to reach {name}: {way}"),
    "channels.method_removed": _("{actor} removed a way to reach {name}: {way}"),
    "channels.method_verified": _("{way} of {name} works: the code came back"),
}
