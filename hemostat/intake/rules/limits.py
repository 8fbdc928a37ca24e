"""How much a sender may put into one request, and the error for what is beyond."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes unless said otherwise; what is beyond a text limit is cut, what is beyond the rest is refused."""

    alerts_body: int = 8 * MIB
    telemetry_body: int = 16 * MIB
    """as sent"""
    telemetry_plain: int = 64 * MIB
    """after decompression"""
    spans: int = 50_000
    """in one request, pieces"""
    attributes: int = 512
    """of one span or resource, pieces"""
    events: int = 256
    """of one span, pieces"""
    depth: int = 8
    """nested lists and maps in one attribute's value, levels"""
    text: int = 1024
    """an attribute's value, characters"""
    message: int = 4096
    """an exception's message, characters"""
    stacktrace: int = 16_384
    """characters"""
    annotation: int = 16_384
    """an annotation's value, characters"""
    future_s: int = 600
    """how far ahead of our clock a span may end, seconds"""
    past_s: int = 7200
    """how old a span may be: the ten-second buckets are kept no longer, seconds"""


class BadInputError(ValueError):
    """A request that cannot be read; the message names the field, what was wanted, and what was found."""


class TooLargeError(ValueError):
    """A request, or what it unpacks to, is larger than allowed."""
