"""Django's registration of the room."""

from django.apps import AppConfig


class BaseConfig(AppConfig):
    """The `base` room."""

    name = "hemostat.base"
    label = "base"
