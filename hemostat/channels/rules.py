"""What is sent and what came of it, the same for every channel: N kinds of message, M channels, no N × M.

A message is data in the receiver's language, already worded; each channel's renderer gives it its form. An outcome
says what the provider's answer means for trying again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Section:
    """A few lines under a heading ("" : without one)."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Button:
    """A link that does something; the first of a message is its main one."""

    label: str
    url: str


@dataclass(frozen=True)
class Message:
    """One message to one person, worded in their language."""

    id: uuid.UUID
    """Idempotency key: the same for every try."""
    kind: str
    """page, resolved, test, code"""
    title: str
    lead: str
    """The sentence under the title, and what a short channel shows besides it."""
    sections: tuple[Section, ...] = ()
    buttons: tuple[Button, ...] = ()
    footer: str = ""
    language: str = "en"
    severity: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs; JSON-safe, codes and figures instead of sentences."""


class OutcomeKind(StrEnum):
    """What a provider's answer means."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """for good: the same message would be refused again"""
    TEMPORARY = "temporary"
    """not taken, and may be later"""
    AMBIGUOUS = "ambiguous"
    """it may or may not have been taken"""


@dataclass(frozen=True)
class Outcome:
    """What came of one try."""

    kind: OutcomeKind
    answer: str
    """What the provider said, in its own words, without secrets; at most 300 characters."""
    retry_after_s: float | None = None
    """When the provider asks for patience; seconds."""


ANSWER_LIMIT = 300


def accepted(answer: str) -> Outcome:
    """The provider took the message."""
    return Outcome(OutcomeKind.ACCEPTED, answer[:ANSWER_LIMIT])


def refused(answer: str) -> Outcome:
    """The provider refused it for good."""
    return Outcome(OutcomeKind.REFUSED, answer[:ANSWER_LIMIT])


def temporary(answer: str, retry_after_s: float | None = None) -> Outcome:
    """The provider did not take it, and may later."""
    return Outcome(OutcomeKind.TEMPORARY, answer[:ANSWER_LIMIT], retry_after_s)


def ambiguous(answer: str) -> Outcome:
    """Nobody knows whether the provider took it."""
    return Outcome(OutcomeKind.AMBIGUOUS, answer[:ANSWER_LIMIT])


def without(text: str, secrets: tuple[str, ...]) -> str:
    """`text` with every one of `secrets` blotted out and control characters made spaces."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return "".join(c if c.isprintable() else " " for c in text)[:ANSWER_LIMIT]
