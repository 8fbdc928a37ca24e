"""Sentences of the room."""

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "oncall.schedule_added": _("{actor} added the schedule {name}: {people} take turns"),
}
