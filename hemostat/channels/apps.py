"""Django's registration of the room."""

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """The `channels` room."""

    name = "hemostat.channels"
    label = "channels"
