"""Django's registration of the room."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    """The `intake` room."""

    name = "hemostat.intake"
    label = "intake"
