"""A language in which every translated text stands in ⟦marks⟧, and a reader that finds text outside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser

from django.utils.translation.trans_real import CONTEXT_SEPARATOR, DjangoTranslation

OPEN, CLOSE = "⟦", "⟧"
SILENT = frozenset({"script", "style", "code", "pre", "time", "textarea"})
"""Elements whose text is data, or not text at all."""
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
SPOKEN = frozenset({"alt", "title", "aria-label", "placeholder"})
"""Attributes that people read or hear."""


class PseudoTranslation(DjangoTranslation):
    """English, with marks around whatever goes through gettext."""

    def gettext(self, message: str) -> str:
        text = message.rpartition(CONTEXT_SEPARATOR)[2]
        return f"{OPEN}{text}{CLOSE}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


class Reader(HTMLParser):
    """Reads a page as a person does and keeps what stands outside the marks.

    Marks may span elements, because a translated sentence may hold some; attributes stand for themselves. What is
    inside an element with `translate="no"` is data by its author's word.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outside: list[str] = []
        self._depth = 0
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID and (self._silent or tag in SILENT or ("translate", "no") in attrs):
            self._silent.append(tag)
        if not self._silent:
            for name, value in attrs:
                if name in SPOKEN or (name == "value" and (tag, ("type", "submit")) == ("input", attrs[0])):
                    self.outside.append(_outside(value or "", 0)[0])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG that closes itself."""

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            while self._silent.pop() != tag:
                continue

    def handle_data(self, data: str) -> None:
        if not self._silent:
            text, self._depth = _outside(data, self._depth)
            self.outside.append(text)


def _outside(text: str, depth: int) -> tuple[str, int]:
    """What of `text` stands outside the marks when `depth` of them are open before it, and how many are after it."""
    kept = []
    for letter in text:
        if letter == CLOSE:
            depth -= 1
        if depth == 0 and letter != CLOSE and letter != OPEN:
            kept.append(letter)
        if letter == OPEN:
            depth += 1
    return "".join(kept), depth


def unmarked(page: str, data: Iterable[str] = ()) -> list[str]:
    """The words of `page` that no translation covers and that are not among `data`."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    left = []
    known = re.compile("|".join(re.escape(word) for word in sorted(data, key=len, reverse=True)) or "(?!)")
    for text in reader.outside:
        rest = known.sub(" ", text)
        if re.search(r"[^\W\d_]{2,}", rest):
            left.append(" ".join(rest.split()))
    return left
