"""Answers as JSON and back."""

from __future__ import annotations

from typing import Any

import msgspec

from hemostat.diagnosis.rules.answer import Answer


def to_json(answer: Answer) -> dict[str, Any]:
    """The stored form: plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    return plain


def from_json(data: Any) -> Answer:
    """Read the stored form; raises `msgspec.ValidationError` naming the field that is wrong."""
    return msgspec.convert(data, Answer)
