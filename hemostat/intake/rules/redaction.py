"""Taking secrets out of what senders tell, before anything is stored.

Exception messages, stack traces, attributes, labels and annotations carry passwords, tokens, card numbers and
addresses of people more often than their senders know. What is found is replaced by a mark that says what it was.
Rules err on the side of taking too much from a sentence; they never touch words without a secret's shape.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

SECRET = "[redacted]"  # noqa: S105 - the mark, not a secret
EMAIL = "[email]"
CARD = "[card]"

_WORDS = (
    r"passwords?|passwd|passphrase|pwd|secrets?|token|api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|credentials?"
    r"|authorization|session[_-]?id|cookies?"
)
_SECRET_KEY = re.compile(rf"(?i:{_WORDS})(?![a-z])")
_HARMLESS_KEY = re.compile(
    r"(?:token|cookie|secret)s?[._-]?(?:count|type|name|kind|ttl|limit|expired)", re.IGNORECASE | re.ASCII
)

# Every quantifier below is bounded or runs over one character class followed by something outside of it, so that no
# text, however hostile, makes matching more than linear.
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?")
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")
_KNOWN_TOKEN = re.compile(
    r"\b(?:hs_[a-z2-7]{10}_[A-Za-z0-9_-]{32}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|whsec_[A-Za-z0-9+/=]{16,})"
)
_BEARER = re.compile(r"\b(bearer)(\s{1,3}|%20|\+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE | re.ASCII)
_BASIC = re.compile(r"\b(basic)(\s{1,3})([A-Za-z0-9+/_-]{6,}={0,2})", re.IGNORECASE | re.ASCII)
_AUTHORIZATION = re.compile(
    r"(authorization[\\\"']{0,3}\s{0,3}[:=]\s{0,3}[\\\"']{0,3})(?:(?:bearer|basic|digest|token|apikey|geniekey)\s{1,3})?"
    r"(?!\[redacted\])[^\s\"',;}\\\]]+",
    re.IGNORECASE | re.ASCII,
)
_ASSIGNED = re.compile(
    rf"((?:{_WORDS})[\w.-]{{0,40}}?[\\\"'\]]{{0,3}}\s{{0,3}}[:=]>?\s{{0,3}})"
    r"(?:\\?\"(?:[^\"\\]|\\[^\"])*\\?\"?|'[^']*'?|(?![\s\"'\[{(,;&)>])[^\s\"',;&)}\]]+)",
    re.IGNORECASE | re.ASCII,
)
_USERINFO = re.compile(r"(://[^\s/:@\"'<>]{0,100}:)[^\s/\"'<>]{1,200}(?=@)", re.ASCII)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9-]{1,63}){0,7}\.[A-Za-z]{2,24}\b",
    re.ASCII,
)
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,}(?!\w)", re.ASCII)
_CARD_LENGTHS = range(13, 20)


def luhn(digits: str) -> bool:
    """Whether the last digit of a card number checks the others (ISO/IEC 7812)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _card(match: re.Match[str]) -> str:
    """The mark, if some groups of the digits that stand side by side are a card number; else the digits."""
    groups = re.split("[ -]", match.group())
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) >= _CARD_LENGTHS.stop:
                break
            if len(digits) in _CARD_LENGTHS and digits[0] in "23456" and luhn(digits):
                return CARD
    return match.group()


def _basic(match: re.Match[str]) -> str:
    text = match.group(3)
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if set("-_") & set(text) else None)
    except (binascii.Error, ValueError):
        return match.group()
    return f"{match.group(1)}{match.group(2)}{SECRET}" if b":" in decoded else match.group()


def redact(text: str) -> str:
    """`text` without secrets; NUL characters, which the database cannot hold, become U+FFFD. Idempotent."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not _is_suspicious(text):
        return text
    text = _PEM.sub(SECRET, text)
    text = _JWT.sub(SECRET, text)
    text = _KNOWN_TOKEN.sub(SECRET, text)
    text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    text = _BEARER.sub(rf"\1\2{SECRET}", text)
    text = _BASIC.sub(_basic, text)
    text = _USERINFO.sub(rf"\1{SECRET}", text)
    text = _ASSIGNED.sub(rf"\1{SECRET}", text)
    text = _EMAIL.sub(EMAIL, text)
    return _DIGITS.sub(_card, text)


@lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Whether what stands under `key` (an attribute's, label's or annotation's name) is a secret by its name."""
    return _SECRET_KEY.search(key) is not None and _HARMLESS_KEY.search(key) is None


def redact_value(key: str, value: str) -> str:
    """The value of `key` without secrets: all of it goes when the key names a secret."""
    return SECRET if value and is_secret_key(key) else redact(value)


def redact_all(pairs: Mapping[str, str]) -> dict[str, str]:
    """Labels, annotations or attributes without secrets."""
    return {redact(key): redact_value(key, value) for key, value in pairs.items()}


@lru_cache(maxsize=16384)
def redact_name(name: str) -> str:
    """`redact` for names that come again and again (entries, peers, span names)."""
    return redact(name)


_NEEDLES = (
    "@", "eyj", "bearer", "basic", "passw", "passphrase", "pwd", "secret", "token", "credential", "authorization",
    "session", "cookie", "apikey", "api_key", "api-key", "accesskey", "access_key", "access-key", "privatekey",
    "private_key", "private-key", "private key", "hs_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "xox", "sk_", "rk_", "pk_", "glpat-", "akia", "asia", "aiza", "whsec_",
)  # fmt: skip
"""Lower-case: one of these stands in every text that a pattern above (other than that of cards) can match."""

_RUN = "0" * _CARD_LENGTHS.start
_ZEROES = {**{ord(c): "0" for c in "0123456789"}, ord(" "): None, ord("-"): None}


def _is_suspicious(text: str) -> bool:
    """Whether a pattern above might match: most texts are spared the patterns."""
    lower = text.lower()
    return any(needle in lower for needle in _NEEDLES) or _RUN in text.translate(_ZEROES)
