"""Tiers and names of services."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """How much the business hangs on a service; with the alert level it gives the first severity."""

    CORE = "core"
    IMPORTANT = "important"
    NORMAL = "normal"


def app_id(namespace: str | None, name: str) -> str:
    """The AppId of a service: `service.namespace/service.name`, or the name alone."""
    return f"{namespace}/{name}" if namespace else name


def default_label(app_id: str) -> str:
    """What people call a service until they say otherwise: its name without the namespace, capitalised."""
    name = app_id.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ").strip() or app_id
    return (name[:1].upper() + name[1:])[:120]
