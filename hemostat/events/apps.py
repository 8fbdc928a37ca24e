"""Django's registration of the room."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The `events` room."""

    name = "hemostat.events"
    label = "events"
