"""Django's registration of the room."""

from django.apps import AppConfig


class DetectionConfig(AppConfig):
    """The `detection` room."""

    name = "hemostat.detection"
    label = "detection"
