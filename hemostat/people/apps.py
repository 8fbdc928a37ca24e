"""Django's registration of the room, and its places in the navigation."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PeopleConfig(AppConfig):
    """The `people` room."""

    name = "hemostat.people"
    label = "people"

    def ready(self) -> None:
        from hemostat.base.navigation import Entry, register
        from hemostat.people.rules import Permission

        register(Entry("people:people", _("People"), "users", Permission.MANAGE_PEOPLE, 85))
        register(Entry("people:profile", _("You"), "user", Permission.SIGNED_IN, 90))
