"""Command steps: a program with its arguments, never a shell; in a process group of its own, with a time-out.

The program gets no variable of the engine but PATH, HOME, LANG, TZ and those that its plan names, so that it never
sees the database's address or the installation's key. Its working folder is an empty one, removed afterwards.
"""

from __future__ import annotations

import codecs
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from django.conf import settings

from hemostat.base import clock
from hemostat.base.texts import Text
from hemostat.plans.executors.port import Printer, Stop
from hemostat.plans.rules.plan import NEVER_PASSED
from hemostat.plans.rules.prepared import PreparedCommand
from hemostat.plans.rules.run import Did, StepResult

ALWAYS_PASSED = ("PATH", "HOME", "LANG", "TZ")
GRACE_S = 5.0
"""Between asking a program to end (SIGTERM) and making it (SIGKILL)."""
LOOK_EVERY_S = 0.2
LAST_READS = 16
"""How many times the output is read after the end: a pipe holds 64 kB."""
CHILD = Path(__file__).with_name("child.py")


def environment(prepared: PreparedCommand, engine: Mapping[str, str]) -> dict[str, str]:
    """The variables of the program, out of those of the `engine` and those of its plan."""
    passed = {
        name: engine[name]
        for name in (*ALWAYS_PASSED, *prepared.pass_env)
        if name in engine and not NEVER_PASSED.fullmatch(name)
    }
    return {**passed, **prepared.env}


def execute(prepared: PreparedCommand, printer: Printer, stop: Stop) -> StepResult:
    """Run the program to its end, its time-out, or until `stop` is set."""
    if prepared.cwd:
        return _run(prepared, prepared.cwd, printer, stop)
    parent = Path(settings.CONFIG.data_dir).resolve() / "tmp"
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = tempfile.mkdtemp(dir=parent, prefix="step-")
    except OSError as error:
        return StepResult(Did.FAILED, Text("plans.not_started", {"error": f"{parent}: {error.strerror}"}))
    try:
        return _run(prepared, folder, printer, stop)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(prepared: PreparedCommand, folder: str, printer: Printer, stop: Stop) -> StepResult:
    control_read, control_write = os.pipe()
    status_read, status_write = os.pipe()
    try:
        argv = [sys.executable, "-I", "-S", str(CHILD), str(control_read), str(status_write), str(GRACE_S)]
        try:
            child = subprocess.Popen(
                [*argv, *prepared.argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment(prepared, os.environ),
                pass_fds=(control_read, status_write),
                start_new_session=True,
            )
        except OSError as error:
            return StepResult(Did.FAILED, Text("plans.not_started", {"error": error.strerror or str(error)}))
        os.close(control_read)
        os.close(status_write)
        control_read = status_write = -1
        with child:
            ended = _watch(child, prepared.timeout_s, printer, stop, status_read)
            os.close(control_write)
            control_write = -1
            status = _status(status_read)
        return _result(ended, status, prepared)
    finally:
        for descriptor in (control_read, control_write, status_read, status_write):
            if descriptor >= 0:
                os.close(descriptor)


def _watch(child: subprocess.Popen[bytes], timeout_s: float, printer: Printer, stop: Stop, status: int) -> Text | None:
    """Pass on what is printed until the program ends (None), or for what reason it must be ended."""
    assert child.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    # the machine's own clock, not the one that tests and the simulation turn: a real process takes real time
    until = clock.system.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(status, selectors.EVENT_READ)
        while True:
            if stop.is_set():
                return Text("plans.stopped")
            if clock.system.monotonic() >= until:
                return Text("plans.timed_out", {"after_s": timeout_s})
            ready = {key.fileobj for key, _ in selector.select(LOOK_EVERY_S)}
            if status in ready:
                # what it left in the pipe is read; what others that it started still print is not waited for
                os.set_blocking(child.stdout.fileno(), False)
                for _ in range(LAST_READS):
                    if not _pass_on(child.stdout, decoder, printer):
                        break
                return None
            if child.stdout in ready and not _pass_on(child.stdout, decoder, printer):
                selector.unregister(child.stdout)


def _pass_on(stdout: IO[bytes], decoder: codecs.IncrementalDecoder, printer: Printer) -> bool:
    try:
        piece = os.read(stdout.fileno(), 65536)
    except BlockingIOError:
        return False
    printer.write(decoder.decode(piece, final=not piece))
    return bool(piece)


def _status(descriptor: int) -> str:
    """What the child says of the end; waits for it, which takes no longer than the grace time."""
    return os.read(descriptor, 1024).decode(errors="replace")


def _result(ended: Text | None, status: str, prepared: PreparedCommand) -> StepResult:
    how, _, what = status.partition(" ")
    if ended is not None:
        return StepResult(Did.AMBIGUOUS, ended)
    if how == "exit" and what == "0":
        return StepResult(Did.SUCCEEDED, Text("plans.exited_well"))
    if how == "exit":
        return StepResult(Did.FAILED, Text("plans.exited", {"code": int(what)}))
    if how == "signal":
        return StepResult(Did.AMBIGUOUS, Text("plans.killed", {"signal": int(what)}))
    if how == "error":
        return StepResult(Did.FAILED, Text("plans.no_program", {"program": prepared.argv[0], "error": what}))
    return StepResult(Did.AMBIGUOUS, Text("plans.lost_sight"))
