"""Fills the navigation with the places of all rooms."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from hemostat.base import navigation


def register_all() -> None:
    """Import `places.py` of every room that has one and register its `PLACES`."""
    for app in apps.get_app_configs():
        if (
            app.name.startswith("hemostat.")
            and app.label != "site"
            and app.module is not None
            and module_has_submodule(app.module, "places")
        ):
            for entry in import_module(f"{app.name}.places").PLACES:
                navigation.register(entry)
