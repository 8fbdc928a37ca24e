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
