"""Django's registration of the room."""

from django.apps import AppConfig


class PagingConfig(AppConfig):
    """The `paging` room."""

    name = "hemostat.paging"
    label = "paging"
