"""Taking secrets out of what a step prints, also when they arrive in pieces."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection
from urllib.parse import quote, quote_plus

from hemostat.base.ids import TOKEN_PATTERN

HIDDEN = "•••"
SHORTEST = 4
"""Characters a secret must have: a shorter one would blot out half of every output."""


def _spellings(secret: str) -> set[str]:
    """The ways in which programs print a secret: plain, in URLs, in JSON, as base64."""
    plain = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    return plain | {base64.b64encode(secret.encode()).decode().rstrip("=")}


class Redactor:
    """Takes known secrets, and anything that looks like a token of Hemostat, out of a stream of text.

    The end of the text so far is held back as long as it could be the beginning of a secret; `flush` gives it out.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        spellings = {s for secret in secrets if len(secret) >= SHORTEST for s in _spellings(secret)}
        ordered = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, ordered), TOKEN_PATTERN.pattern]))
        self._within_lines = not any("\n" in spelling for spelling in ordered)
        self._longest = max([46, *map(len, ordered)])
        self._held = ""

    def feed(self, text: str) -> str:
        """Take in a piece and return what can be shown by now."""
        self._held = self._pattern.sub(HIDDEN, self._held + text)
        cut = max(0, len(self._held) - self._longest + 1)
        newline = self._held.rfind("\n")
        if self._within_lines:
            cut = max(cut, newline + 1)
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def flush(self) -> str:
        """What was held back; there is nothing more to come."""
        shown, self._held = self._pattern.sub(HIDDEN, self._held), ""
        return shown

    def all(self, text: str) -> str:
        """The whole of a text without its secrets."""
        return self._pattern.sub(HIDDEN, text)
