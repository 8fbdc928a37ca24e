"""What a channel is, and which there are.

A channel is an object with the methods of `Channel`, in a folder of its own: how to check an address, how to send,
what the answer means. Adding one means a folder, a line in `CHANNELS`, a kind in `models.ContactMethod.Kind`, and a
test that runs the shared assertions (`tests/channels/contract.py`) on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hemostat.channels.rules import Message, Outcome

TIMEOUT_S = 15.0
"""The longest that sending one message may take, all in all; well below the lease of a delivery (30 s)."""


@dataclass(frozen=True)
class Address:
    """Where a message goes, its secrets opened; never logged, never part of an error."""

    user_id: int
    address: str
    secret: str = ""

    def __repr__(self) -> str:
        return f"Address(user_id={self.user_id})"


class Channel(Protocol):
    """One way to carry messages."""

    kind: str
    wakes: bool
    """Whether a message can wake somebody: only then does it start the clock of an escalation."""
    needs_secret: bool
    """Whether each contact method has a signing secret."""

    def check(self, address: str) -> str:
        """The address as it is kept; raises RefusedError(field="address") saying what is wrong with it."""
        ...

    def label(self, address: str) -> str:
        """What people see of the address: never its secrets."""
        ...

    def destination(self, address: str) -> str:
        """What is slow or down together, e.g. a host: a limited number of messages go to it at a time."""
        ...

    def send(self, to: Address, message: Message) -> Outcome:
        """Send once; never raises for what a network or a provider does, and ends within `TIMEOUT_S`."""
        ...


def channel(kind: str) -> Channel:
    """The channel called `kind`; KeyError when there is none."""
    return _channels()[kind]


def kinds() -> tuple[str, ...]:
    """The channels there are."""
    return tuple(_channels())


def _channels() -> dict[str, Channel]:
    from hemostat.channels.email.channel import EmailChannel
    from hemostat.channels.in_app.channel import InAppChannel
    from hemostat.channels.webhook.channel import WebhookChannel

    return {c.kind: c for c in (EmailChannel(), WebhookChannel(), InAppChannel())}
