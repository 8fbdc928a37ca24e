"""Registers the sentences of all rooms."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from hemostat.base import texts


def register_all() -> None:
    """Import `texts.py` of every room that has one and register its `TEXTS`."""
    for app in apps.get_app_configs():
        ours = app.name.startswith("hemostat.") and app.label not in {"base", "site"}
        if ours and app.module is not None and module_has_submodule(app.module, "texts"):
            texts.register(import_module(f"{app.name}.texts").TEXTS)
