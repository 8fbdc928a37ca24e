"""Django's registration of the room."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """The `catalog` room."""

    name = "hemostat.catalog"
    label = "catalog"
