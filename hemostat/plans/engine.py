"""Carrying out runs: takes one by its lease, does step after step, and leaves it when it must wait.

What is next is decided by `rules.run` and written by `actions.engine`; here things are done in between. Each run is
worked on in a thread of its own, so that a long step holds up nobody; a second thread keeps its lease alive and hands
its output over, and stops the step when the lease is lost.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.models import Q

from hemostat.base import clock, due, secrets
from hemostat.base.texts import Text
from hemostat.plans import queries
from hemostat.plans.actions import engine as actions
from hemostat.plans.executors import execute
from hemostat.plans.guards import first_refusal
from hemostat.plans.models import Run
from hemostat.plans.output import Output
from hemostat.plans.rules import run as machine
from hemostat.plans.rules import snapshot
from hemostat.plans.rules.prepared import prepare
from hemostat.plans.rules.redact import Redactor
from hemostat.plans.rules.values import Filling, MissingValueError, ValueRefusedError

FLUSH_S = 0.5
"""How often output is handed over."""
RENEW_S = 10.0
"""How often the lease is renewed; a third of its length."""
INSIST_S = 20.0
"""How long it is tried to write down what a step did: less than what is left of the lease at the worst."""
T = TypeVar("T")
log = structlog.get_logger()


class _Heartbeat:
    """Keeps the lease of a claimed run alive and hands its output over, from a thread of its own."""

    def __init__(self, claimed: Run, position: int, output: Output) -> None:
        self.lost = threading.Event()
        self._claimed, self._position, self._output = claimed, position, output
        self._over = threading.Event()
        self._renewed = clock.system.monotonic()

    def beat(self) -> None:
        try:
            while not self._over.wait(FLUSH_S):
                if not self._is_alive():
                    self.lost.set()
                    return
        finally:
            connections.close_all()

    def _is_alive(self) -> bool:
        """Whether the run is still ours. While the database cannot be asked, it is as long as the lease lasts."""
        since = clock.system.monotonic() - self._renewed
        try:
            held = self.hand_over()
            if held and since >= RENEW_S:
                held = actions.renew(self._claimed)
                self._renewed += since
        except DatabaseError as error:
            log.warning("a run's lease could not be renewed", run=self._claimed.pk, error=str(error))
            connections.close_all()
            return since < due.LEASE.total_seconds() - RENEW_S
        return held

    def hand_over(self, *, last: bool = False) -> bool:
        """Append the output so far to the step; returns whether the run is still ours."""
        if text := self._output.take(last=last):
            return actions.record_output(self._claimed, self._position, text)
        return queries.is_held(self._claimed)

    def end(self) -> None:
        self._over.set()


@contextmanager
def heartbeat(claimed: Run, position: int, output: Output) -> Iterator[threading.Event]:
    """While the block runs: keep the lease, hand over output. The event is set when the lease was lost."""
    heart = _Heartbeat(claimed, position, output)
    thread = threading.Thread(target=heart.beat, name=f"run-{claimed.pk}-heartbeat", daemon=True)
    thread.start()
    try:
        yield heart.lost
    finally:
        heart.end()
        thread.join()
        try:
            heart.hand_over(last=True)
        except DatabaseError as error:
            log.warning("the last of a step's output could not be written down", run=claimed.pk, error=str(error))
            connections.close_all()


def carry_on(claimed: Run, *, runner: str) -> None:
    """Take a claimed run as far as it goes now; gives its lease back at the end."""
    try:
        while True:
            move = actions.decide(claimed, runner=runner)
            if not isinstance(move, machine.CheckGuards | machine.Execute) or not _do(claimed, move):
                return
    except due.LeaseLostError:
        log.info("a run was stopped, or taken by another engine", run=claimed.pk)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with one run is kept on it
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = _redactor(claimed).all(f"{type(error).__name__}: {error}")
        place = f"{where.filename}:{where.lineno}"
        # no traceback: its messages may hold secrets
        log.error("a run could not be carried on", run=claimed.pk, error=said, where=place)  # noqa: TRY400
        with suppress(due.LeaseLostError, DatabaseError):  # then the lease runs out, and another try begins so
            actions.count_failed_try(claimed, said)


def _redactor(claimed: Run) -> Redactor:
    """Takes the secrets of a run out of what is said about it."""
    with suppress(secrets.CannotOpenError):
        return Redactor([secrets.open_(sealed) for sealed in claimed.snapshot.get("secrets", {}).values()])
    return Redactor([])


def _redacted(result: machine.StepResult, redactor: Redactor) -> machine.StepResult:
    params = {k: redactor.all(v) if isinstance(v, str) else v for k, v in result.reason.params.items()}
    return machine.StepResult(result.did, Text(result.reason.code, params))


def _do(claimed: Run, move: machine.CheckGuards | machine.Execute) -> bool:
    """Look at the guards of a step where they are still to be looked at, and do it; returns whether the run goes on."""
    stamped = snapshot.read(claimed.snapshot)
    step, position = stamped.steps[move.position], move.position
    try:
        opened = {name: secrets.open_(sealed) for name, sealed in stamped.secrets.items()}
        filling = Filling(stamped.values, opened)
        prepared = prepare(step, filling)
    except (secrets.CannotOpenError, MissingValueError, ValueRefusedError) as error:
        reason = Text("plans.cannot_prepare", {"error": str(error)})
        if isinstance(move, machine.CheckGuards):
            actions.refuse_step(claimed, position, reason)
            return False
        return actions.finish_step(claimed, position, machine.StepResult(machine.Did.FAILED, reason))
    output = Output(opened.values())
    with heartbeat(claimed, position, output) as stop:
        if isinstance(move, machine.CheckGuards):
            refused = first_refusal(claimed, stamped, step, filling, output, stop)
            if refused is None:
                actions.begin_step(claimed, position)
        else:
            refused = None
        result = execute(prepared, output, stop) if refused is None else None
    if result is None:
        actions.refuse_step(claimed, position, refused or Text("plans.stopped"))
        return False
    said = _redacted(result, _redactor(claimed))
    return insist(lambda: actions.finish_step(claimed, position, said))


def insist(write: Callable[[], T]) -> T:
    """Write down what was done, trying again while the database is away: it must not be forgotten for a restart."""
    until = clock.system.monotonic() + INSIST_S
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            connections.close_all()
            if clock.system.monotonic() >= until:
                raise
            log.warning("what a step did could not be written down yet", error=str(error))
            threading.Event().wait(FLUSH_S)


class RunEngine:
    """Works on runs, a few at a time; one for each engine process."""

    def __init__(self, runner: str, slots: int = 8) -> None:
        self.runner = runner
        self._slots = slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="run")
        self._going: set[Future[None]] = set()

    def work(self, now: datetime) -> int:
        """Take the runs that are due, as many as there are hands, and return at once; returns how many were taken."""
        self._going = {future for future in self._going if not future.done()}
        free = self._slots - len(self._going)
        claimed = claim(now, self.runner, limit=free) if free > 0 else []
        self._going |= {self._pool.submit(self._carry_on, run) for run in claimed}
        return len(claimed)

    def _carry_on(self, run: Run) -> None:
        try:
            carry_on(run, runner=self.runner)
        finally:
            connections.close_all()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the runs that were taken are left; for tests and an orderly end."""
        wait(self._going, timeout)


def claim(now: datetime, runner: str, limit: int = 8) -> list[Run]:
    """Take runs that are due and that an engine with the label `runner` can carry on."""
    return due.claim(Run, now=now, limit=limit, where=Q(runner__in=["", runner]))
