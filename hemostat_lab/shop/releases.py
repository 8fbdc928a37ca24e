"""Which releases of each service there are, and where their code is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from hemostat_lab.layout import Role
from hemostat_lab.shop.app import Service

RELEASES: Mapping[Role, Mapping[str, str]] = {
    Role.GATEWAY: {"2.11.0": "hemostat_lab.shop.gateway"},
    Role.CHECKOUT: {"3.2.0": "hemostat_lab.shop.checkout"},
    Role.PAYMENT: {"1.4.0": "hemostat_lab.shop.payment_1_4_0", "1.4.1": "hemostat_lab.shop.payment_1_4_1"},
    Role.ORDERS: {"5.0.3": "hemostat_lab.shop.orders"},
}
"""The first of each is what a new lab runs."""


def first(role: Role) -> str:
    """What a new lab runs."""
    return next(iter(RELEASES[role]))


def load(role: Role, release: str) -> Service:
    """The code of a release; raises `KeyError` where there is no such release."""
    service: Service = import_module(RELEASES[role][release]).service
    return service
