"""Django's registration of the room."""

from django.apps import AppConfig


class DiagnosisConfig(AppConfig):
    """The `diagnosis` room."""

    name = "hemostat.diagnosis"
    label = "diagnosis"
