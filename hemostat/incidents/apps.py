"""Django's registration of the room."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """The `incidents` room."""

    name = "hemostat.incidents"
    label = "incidents"
