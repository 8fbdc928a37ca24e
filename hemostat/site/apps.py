"""The last app: when it is ready, all rooms are, and the flow of events is installed."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Joins the rooms at start-up."""

    name = "hemostat.site"
    label = "site"

    def ready(self) -> None:
        from hemostat.events import registry
        from hemostat.paging import brief
        from hemostat.site import flow, places, suggestions, texts

        registry.install(flow.FLOW)
        brief.suggest_with(suggestions.best_plan)
        texts.register_all()
        places.register_all()
