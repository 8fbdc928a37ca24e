"""Reading the demo's mailbox: messages that its mail server kept as files in a folder. Read only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

NAME = re.compile(r"\d{10,20}")
"""Names of message files without their suffix: nanoseconds since 1970."""


@dataclass(frozen=True)
class Mail:
    """One message."""

    name: str
    at: datetime
    to: str
    sender: str
    subject: str
    text: str
    html: str


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _read(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    return Mail(
        name=path.stem,
        at=datetime.fromtimestamp(int(path.stem) / 1e9, UTC),
        to=str(message.get("To", "")),
        sender=str(message.get("From", "")),
        subject=str(message.get("Subject", "")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def newest(folder: Path, limit: int = 50) -> list[Mail]:
    """The newest messages, newest first; empty when the folder is not there yet."""
    if not folder.is_dir():
        return []
    names = sorted((p for p in folder.glob("*.eml") if NAME.fullmatch(p.stem)), key=lambda p: p.name, reverse=True)
    return [_read(path) for path in names[:limit]]


def one(folder: Path, name: str) -> Mail | None:
    """The message called `name`; None when there is none."""
    path = folder / f"{name}.eml"
    return _read(path) if NAME.fullmatch(name) and path.is_file() else None
