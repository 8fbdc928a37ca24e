"""Django's registration of the room."""

from django.apps import AppConfig


class CoordinatesConfig(AppConfig):
    """The `coordinates` room."""

    name = "hemostat.coordinates"
    label = "coordinates"
