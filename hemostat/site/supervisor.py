"""Keeps processes running: starts them in order, restarts what dies, stops them in the opposite order.

Knows nothing of Hemostat; `up.py` says which parts there are. Every part runs in a session of its own, so that
Ctrl-C of the terminal reaches only the supervisor, and what a killed part leaves behind is ended with its group. On
Linux the parts are told by the kernel when the supervisor dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hemostat.base.failures import Exit, HemostatError
from hemostat.site import readiness
from hemostat.site.postgres import die_with_parent

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 15.0
STEADY_S = 5.0
"""A part that lived this long after being ready is restarted without a longer wait than the first."""
HOPELESS = frozenset({Exit.USAGE, Exit.IN_USE, Exit.STORAGE, Exit.VERSION})
"""Exit codes that a restart does not cure: before it was ever ready, such a part ends the whole start."""

Say = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process to keep running."""

    name: str
    argv: Sequence[str]
    before: Callable[[], None] | None = None
    """Called (in a thread) before every start."""
    is_ready: Callable[[int], bool] | None = None
    """Asked (in a thread) with the process id until it is true; None: the part itself says so, see `readiness`."""
    tells_ready: bool = True
    """False for a program that neither says nor can be asked: it counts as ready once started."""
    needs: Sequence[str] = ()
    """Names of parts that must be ready before this one is started again."""
    stop_signal: int = signal.SIGTERM
    kill_signal: int = signal.SIGKILL
    """What ends it at once, when it did not stop in time or the person at the console asks a second time."""
    grace_s: float = 10
    """How long it may take to stop before it is killed, seconds."""
    env: Mapping[str, str] = field(default_factory=dict)
    popen: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `subprocess.Popen`; given `env` or `preexec_fn` they replace the supervisor's."""
    show: Callable[[str], str | None] | None = None
    """What to print of a line of its output; None: everything."""


class _Runner:
    """One part and its present process."""

    def __init__(self, part: Part, supervisor: Supervisor) -> None:
        self.part = part
        self.supervisor = supervisor
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = asyncio.Event()
        self.was_ready = False
        self.ready_at: float | None = None
        self.stopping = False
        self.restarts = 0
        self.task: asyncio.Task[None] | None = None

    def say(self, line: str) -> None:
        self.supervisor.say(self.part.name, line)

    async def keep_running(self) -> None:
        delay = FIRST_DELAY_S
        while not self.stopping:
            await self.supervisor.until_ready(self.part.needs)
            try:
                if self.part.before:
                    await self.supervisor.in_thread(self.part.before)
            except HemostatError as error:
                if not self.was_ready:
                    raise
                self.say(f"{error}\nTried again in {LONGEST_DELAY_S:g} s.")
                await asyncio.sleep(LONGEST_DELAY_S)
                continue
            if self.stopping:
                return
            self.ready_at = None
            code = await self._run_once(time.monotonic())
            if self.stopping:
                return
            if not self.was_ready and code in HOPELESS:
                self.supervisor.give_up(code)
                return
            steady = self.ready_at is not None and time.monotonic() - self.ready_at > STEADY_S
            delay = FIRST_DELAY_S if steady else min(delay * 2, LONGEST_DELAY_S)
            self.restarts += 1
            self.say(f"ended with {_how(code)}; started again in {delay:g} s (restart {self.restarts})")
            await asyncio.sleep(delay)

    async def _run_once(self, started: float) -> int:
        by_pipe = self.part.is_ready is None and self.part.tells_ready
        heard, told = os.pipe() if by_pipe else (None, None)
        env = {**os.environ, **self.part.env}
        if told is not None:
            env[readiness.VARIABLE] = str(told)
        options: dict[str, Any] = {
            "env": env,
            "preexec_fn": die_with_parent(self.part.stop_signal),
            **self.part.popen,
        }
        # Not asyncio's subprocess: its wait() also waits for the end of the output, which an orphaned grandchild
        # withholds. From the main thread, for the sake of `die_with_parent`.
        process = self.process = subprocess.Popen(
            list(self.part.argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=() if told is None else (told,), **{**options, "start_new_session": True},
        )  # fmt: skip
        if told is not None:
            os.close(told)
        output = asyncio.create_task(self._pump(process))
        ended = asyncio.ensure_future(self.supervisor.in_thread(process.wait))
        waiting = asyncio.create_task(self._await_ready(process, heard))
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and waiting.result() and not ended.done():
            self.was_ready = True
            self.ready_at = time.monotonic()
            self.ready.set()
            if self.restarts:
                self.say(f"is ready again after {time.monotonic() - started:.1f} s")
        code: int = await ended
        self.ready.clear()
        waiting.cancel()
        _signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait({output}, timeout=1)
        output.cancel()
        return code

    async def _await_ready(self, process: subprocess.Popen[bytes], heard: int | None) -> bool:
        if heard is not None:
            try:
                return await _first_byte(heard) == b"1"
            finally:
                os.close(heard)
        if self.part.is_ready is not None:
            while not await self.supervisor.in_thread(self.part.is_ready, process.pid):
                await asyncio.sleep(0.02)
        return True

    async def _pump(self, process: subprocess.Popen[bytes]) -> None:
        reader = asyncio.StreamReader(limit=1 << 20)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    continue  # longer than the limit: left out
                if not line:
                    return
                text: str | None = line.decode(errors="replace").rstrip()
                if self.part.show is not None and text is not None:
                    text = self.part.show(text)
                if text is not None:
                    self.say(text)
        finally:
            transport.close()

    async def stop(self) -> None:
        self.stopping = True
        process = self.process
        if self.task is None:
            return
        if process is None or process.poll() is not None:
            self.task.cancel()
        else:
            process.send_signal(self.part.stop_signal)
            done, _ = await asyncio.wait({self.task}, timeout=self.part.grace_s)
            if not done:
                self.say(f"did not stop within {self.part.grace_s:g} s and is killed")
                _signal_group(process.pid, self.part.kill_signal)
        await asyncio.wait({self.task}, timeout=5)


class Supervisor:
    """Runs groups of parts, each group once the one before it is ready."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._runners: dict[str, _Runner] = {}
        self._order: list[list[_Runner]] = []
        self._stop = asyncio.Event()
        self._interrupts = 0
        self._code: int = Exit.OK
        # A thread for every part's end besides those for short questions; the default executor has too few.
        self._threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix="supervisor")

    def say(self, name: str, line: str) -> None:
        """Print a line of `name`; a console that went away is no reason to stop."""
        try:
            self._say(name, line)
        except OSError:
            self._say = lambda _name, _line: None

    async def in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run something that blocks in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def until_ready(self, names: Sequence[str]) -> None:
        """Wait until each of the parts is ready."""
        for name in names:
            await self._runners[name].ready.wait()

    def give_up(self, code: int) -> None:
        """Stop everything and end with `code`."""
        self._code = self._code or code
        self._stop.set()

    async def run(self, steps: Sequence[Step]) -> int:
        """Start the groups and carry out the steps between them in order, keep them running until told to stop,
        stop in the opposite order; returns the exit code."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sig, self._interrupted)
        try:
            await self._until_stopped(self._start(steps))
            await self._stop.wait()
        finally:
            for group in reversed(self._order):
                await asyncio.gather(*(runner.stop() for runner in group))
            self._threads.shutdown(wait=False, cancel_futures=True)
        return self._code

    async def _start(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if callable(step):
                parts = await step(self)
            else:
                parts = step
            group = [_Runner(part, self) for part in parts]
            self._order.append(group)
            self._runners.update((runner.part.name, runner) for runner in group)
            for runner in group:
                runner.task = asyncio.create_task(self._guard(runner))
            await self.until_ready([runner.part.name for runner in group])

    async def _guard(self, runner: _Runner) -> None:
        try:
            await runner.keep_running()
        except HemostatError as error:
            self.say(runner.part.name, str(error))
            self.give_up(error.code)
        except OSError as error:
            self.say(runner.part.name, f"cannot be started: {error}")
            self.give_up(Exit.FAILURE)

    async def _until_stopped(self, work: Awaitable[None]) -> None:
        working = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not working.done():
            working.cancel()
        elif (error := working.exception()) is not None:
            raise error

    def _interrupted(self) -> None:
        self._interrupts += 1
        self._stop.set()
        if self._interrupts > 1:
            for runner in self._runners.values():
                if runner.process is not None and runner.process.poll() is None:
                    _signal_group(runner.process.pid, runner.part.kill_signal)


Step = Sequence[Part] | Callable[[Supervisor], Awaitable[Sequence[Part]]]
"""A group of parts, or something to do between groups that returns the next one (perhaps empty)."""


async def _first_byte(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not arrived.done():
            arrived.set_result(os.read(fd, 1))

    loop.add_reader(fd, read)
    try:
        return await arrived
    finally:
        loop.remove_reader(fd)


def _signal_group(pid: int, sig: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: macOS, for a group of zombies
        os.killpg(pid, sig)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
