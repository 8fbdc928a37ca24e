"""A mail server for the demo and the tests: takes every message and keeps it as a file in a folder.

`python -m hemostat_lab.mailbox FOLDER PORT`. It listens on this machine only and passes nothing on. Files are
`<received, Unix nanoseconds>.eml`, whole or not there; the oldest go when there are more than `KEEP`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

KEEP = 300
MOST_BYTES = 1_000_000


class Keeper:
    """Keeps what arrives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one message; the 250 is given when it is on disk."""
        content = envelope.content or b""
        if isinstance(content, str):
            content = content.encode()
        fresh = self._folder / f".incoming-{os.getpid()}"
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._folder / f"{time.time_ns()}.eml")
        for old in messages(self._folder)[KEEP:]:
            old.unlink(missing_ok=True)
        return "250 kept"


def messages(folder: Path) -> list[Path]:
    """The messages that are kept, newest first."""
    return sorted(folder.glob("*.eml"), key=lambda path: path.name, reverse=True)


async def serve(folder: Path, port: int) -> None:
    """Take mail until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)
    keeper = Keeper(folder)
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="localhost", data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        port,
    )
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
