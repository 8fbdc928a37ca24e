"""Django's registration of the room."""

from django.apps import AppConfig


class PlansConfig(AppConfig):
    """The `plans` room."""

    name = "hemostat.plans"
    label = "plans"
