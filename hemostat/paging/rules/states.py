"""States of pages and deliveries."""

from __future__ import annotations

from enum import StrEnum

from hemostat.base.machine import Machine


class PageState(StrEnum):
    """What has become of the page of an incident."""

    RINGING = "ringing"
    ACKNOWLEDGED = "acknowledged"
    STOPPED = "stopped"
    """the incident ended before anybody answered"""
    EXHAUSTED = "exhausted"
    """every tier was tried as often as the policy says, and nobody answered; shown loudly"""


PAGE = Machine(
    "page",
    PageState,
    {
        PageState.RINGING: frozenset({PageState.ACKNOWLEDGED, PageState.STOPPED, PageState.EXHAUSTED}),
        PageState.EXHAUSTED: frozenset({PageState.RINGING, PageState.ACKNOWLEDGED, PageState.STOPPED}),
        PageState.ACKNOWLEDGED: frozenset({PageState.RINGING, PageState.STOPPED}),
        PageState.STOPPED: frozenset(),
    },
)


class DeliveryState(StrEnum):
    """What has become of one message."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    """the provider took it"""
    FAILED = "failed"
    """the provider refused it for good; the next channel is used"""
    CANCELLED = "cancelled"
    """answered or over before it was sent"""


DELIVERY = Machine(
    "delivery",
    DeliveryState,
    {
        DeliveryState.PENDING: frozenset({DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.CANCELLED}),
        DeliveryState.ACCEPTED: frozenset(),
        DeliveryState.FAILED: frozenset(),
        DeliveryState.CANCELLED: frozenset(),
    },
)
