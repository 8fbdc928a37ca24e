"""Runs beside a command and outlives the engine: when the engine dies, the command's whole process group ends.

Started by `executors.command` as `python -I -S child.py CONTROL_FD STATUS_FD GRACE_S PROGRAM ARGUMENT…`, in a session
of its own; standard library only, so that it starts in milliseconds. The engine holds the other end of CONTROL_FD and
never writes to it: when it closes it, or dies in whatever way, the read returns and the command is told to end
(SIGTERM to its group), and made to (SIGKILL) after GRACE_S seconds. On STATUS_FD goes one line: `exit N`,
`signal N`, or `error TEXT` when the program could not be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys


def _die_with_parent() -> None:
    """For the command: end when this process is killed (Linux; elsewhere only the control pipe ends it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _tell(group: int, sig: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, sig)


def main() -> None:
    """Start the command, watch both it and the engine, report how it ended."""
    control, status, grace_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    ended, child_ended = os.pipe()
    os.set_blocking(child_ended, False)
    signal.set_wakeup_fd(child_ended)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        process = subprocess.Popen(sys.argv[4:], start_new_session=True, preexec_fn=_die_with_parent)  # noqa: PLW1509
    except OSError as error:
        os.write(status, f"error {error.strerror}".encode())
        return
    os.close(1)
    os.close(2)
    readable = [control, ended]
    grace: float | None = None
    while process.poll() is None:
        ready, _, _ = select.select(readable, [], [], grace)
        if ended in ready:
            os.read(ended, 512)
        if control in ready:
            readable.remove(control)
            _tell(process.pid, signal.SIGTERM)
            grace = grace_s
        elif grace is not None and not ready:
            _tell(process.pid, signal.SIGKILL)
    if grace is not None:
        _tell(process.pid, signal.SIGKILL)
    code = process.returncode
    with contextlib.suppress(BrokenPipeError):
        os.write(status, (f"signal {-code}" if code < 0 else f"exit {code}").encode())


if __name__ == "__main__":
    main()
