"""Django's registration of the room."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    """The `desk` room."""

    name = "hemostat.desk"
    label = "desk"
