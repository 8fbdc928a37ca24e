"""Django's registration of the room."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The `alerts` room."""

    name = "hemostat.alerts"
    label = "alerts"
