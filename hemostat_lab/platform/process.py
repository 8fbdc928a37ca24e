"""The platform's process: `python -m hemostat_lab.platform.process FOLDER`, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from hemostat_lab.layout import Layout
from hemostat_lab.platform.doors import operations_door, release_door
from hemostat_lab.platform.instances import StartError
from hemostat_lab.platform.operations import Platform


class Door(uvicorn.Server):
    """A server among several in one process: signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def say(line: str) -> None:
    """One line on the console."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _door(app: ASGIApp, **where: object) -> Door:
    return Door(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", **where))  # type: ignore[arg-type]


async def run(layout: Layout) -> None:
    """Start the shop, open the doors, keep watch, stop in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)
    ready = layout.ready_file
    ready.unlink(missing_ok=True)
    layout.release_socket.unlink(missing_ok=True)
    platform = Platform(layout, say)
    doors = [
        _door(
            operations_door(platform, layout.operations_token_file.read_text()),
            host="127.0.0.1",
            port=layout.operations_port,
        ),
        _door(release_door(platform, layout.release_token_file.read_text()), uds=str(layout.release_socket)),
    ]
    start = asyncio.create_task(platform.start())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            tasks = [asyncio.create_task(door.serve()) for door in doors]
            watch = asyncio.create_task(platform.watch())
            while not all(door.started for door in doors):
                await asyncio.sleep(0.02)
            layout.release_socket.chmod(0o600)
            ready.write_text(str(os.getpid()))
            say(f"The shop is up: {', '.join(platform.services)} with {platform.store.name}.")
            await asyncio.wait({watch, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for door in doors:
                door.should_exit = True
            await asyncio.wait(tasks, timeout=3)
            if watch.done():
                watch.result()
            watch.cancel()
    finally:
        start.cancel()
        ready.unlink(missing_ok=True)
        await platform.stop()


def main(folder: str) -> int:
    """Run until told to stop; 1 when the shop could not be started."""
    try:
        asyncio.run(run(Layout.load(Path(folder))))
    except StartError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
