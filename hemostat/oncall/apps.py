"""Django's registration of the room."""

from django.apps import AppConfig


class OncallConfig(AppConfig):
    """The `oncall` room."""

    name = "hemostat.oncall"
    label = "oncall"
