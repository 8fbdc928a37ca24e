"""What a step prints on its way to the page: made plain, without secrets, capped, handed over in pieces."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection

from hemostat.plans.executors.port import OUTPUT_CAP
from hemostat.plans.rules.redact import Redactor

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CUT = "\n…\n"


class Output:
    """Collects what one step prints; filled by its executor, emptied by the heartbeat, from different threads."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._redactor = Redactor(secrets)
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._kept = 0

    def write(self, text: str) -> None:
        """Print a piece of text."""
        with self._lock:
            self._keep(self._redactor.feed(text))

    def _keep(self, text: str) -> None:
        room = OUTPUT_CAP - self._kept
        if room <= 0 or not text:
            return
        plain = _CONTROL.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
        if len(plain) > room:
            plain = plain[: room - len(CUT)] + CUT if room > len(CUT) else CUT[:room]
        self._kept += len(plain)
        self._waiting.append(plain)

    def take(self, *, last: bool = False) -> str:
        """What can be shown since it was last asked; with `last`, also what was held back for the redaction."""
        with self._lock:
            if last:
                self._keep(self._redactor.flush())
            text, self._waiting = "".join(self._waiting), []
        return text
