"""The engine goes on whatever happens in a round, tells how it is, and lets only one process lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from hemostat.base import clock, wake
from hemostat.base.models import Heartbeat
from hemostat.site.engine import Engine
from hemostat.site.leadership import Leadership
from hemostat.site.loops import LOOPS, Loop
from tests.installation import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conninfo(postgres: Path, transactional_db: None) -> str:
    """The database of the tests, for processes and threads of their own."""
    return f"postgresql://postgres@/{connection.settings_dict['NAME']}?host={postgres}"


@contextmanager
def at_work(conninfo: str, *loops: Loop) -> Iterator[Engine]:
    """An engine with these loops, in a thread, stopped in the end."""
    engine = Engine(conninfo, loops)

    def run() -> None:
        try:
            engine.run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield engine
    finally:
        engine.stop.set()
        thread.join(15)
        assert not thread.is_alive(), "the engine stops when told"


class Counter:
    """Work that counts its rounds, and may fail in some."""

    def __init__(self, fails: Callable[[int], bool] = lambda _round: False) -> None:
        self.rounds = 0
        self._fails = fails

    def __call__(self, now: datetime) -> int:
        self.rounds += 1
        if self._fails(self.rounds):
            raise ValueError(f"round {self.rounds} is bad")
        return 0


def test_a_loop_that_fails_goes_on_and_holds_up_nobody(conninfo: str) -> None:
    bad, good = Counter(fails=lambda n: n <= 2), Counter()
    with at_work(conninfo, Loop(name="bad", work=bad, every_s=0.05), Loop(name="good", work=good, every_s=0.05)):
        eventually(lambda: bad.rounds >= 4, why="the bad one goes on")
        eventually(lambda: good.rounds >= 10, why="the good one does not notice")


def test_a_failing_loop_is_seen_in_its_heartbeat(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemostat.site.engine.BEAT_S", 0.1)
    with at_work(conninfo, Loop(name="bad", work=Counter(fails=lambda _n: True), every_s=0.05)) as engine:
        beat = eventually(lambda: Heartbeat.objects.filter(process=engine.process).exclude(error="").first())
        assert beat.error.startswith("ValueError: round")
        assert beat.error_since is not None
        assert clock.now() - beat.beat_at < timedelta(seconds=10)


def test_an_engine_that_stops_in_order_leaves_no_heartbeat(conninfo: str) -> None:
    with at_work(conninfo, Loop(name="one", work=Counter())) as engine:
        eventually(lambda: Heartbeat.objects.filter(process=engine.process).exists())
    assert not Heartbeat.objects.exists()


def test_a_notification_ends_the_wait(conninfo: str) -> None:
    work = Counter()
    with at_work(conninfo, Loop(name="slow", work=work, every_s=3600)):
        eventually(lambda: work.rounds >= 1)
        for _ in range(3):
            before = work.rounds
            eventually(lambda: wake.wake(wake.ENGINE) is None and work.rounds > before, within=5, why="it woke up")  # noqa: B023


def test_what_goes_by_the_clock_is_not_woken(conninfo: str) -> None:
    steady, witness = Counter(), Counter()
    loops = (
        Loop(name="steady", work=steady, every_s=3600, wakes=False),
        Loop(name="witness", work=witness, every_s=3600),
    )
    with at_work(conninfo, *loops):
        eventually(lambda: steady.rounds == 1 and witness.rounds >= 1)
        before = witness.rounds
        eventually(lambda: wake.wake(wake.ENGINE) is None and witness.rounds > before + 3)
        assert steady.rounds == 1


def test_work_is_repeated_at_once_until_it_is_done(conninfo: str) -> None:
    left = [5]

    def drain(now: datetime) -> int:
        done, left[0] = min(left[0], 1), max(left[0] - 1, 0)
        return done

    with at_work(conninfo, Loop(name="drain", work=drain, every_s=3600)):
        eventually(lambda: left[0] == 0, within=5, why="five rounds without a wait")


def test_lost_connections_are_made_again(conninfo: str) -> None:
    asked = Counter()

    def ask(now: datetime) -> int:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return asked(now)

    with at_work(conninfo, Loop(name="asks", work=ask, every_s=0.05)) as engine:
        eventually(engine.leadership.held.is_set, why="it leads")
        with psycopg.connect(conninfo, autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        before = asked.rounds
        eventually(lambda: asked.rounds > before + 3, why="the loop asks again")
        eventually(engine.leadership.held.is_set, why="it leads again")


def test_only_one_leads_and_the_other_takes_over(conninfo: str) -> None:
    first_stop, second_stop = threading.Event(), threading.Event()
    first, second = Leadership(conninfo, first_stop), Leadership(conninfo, second_stop)
    one = first.start()
    eventually(first.held.is_set)
    other = second.start()
    try:
        assert not second.held.wait(2.5), "there is one leader"
        first_stop.set()
        eventually(second.held.is_set, within=30, why="the standby takes over")
        eventually(lambda: not first.held.is_set())
    finally:
        first_stop.set()
        second_stop.set()
        one.join(10)
        other.join(10)


def test_leaders_work_is_done_only_while_leading(conninfo: str) -> None:
    work = Counter()
    with psycopg.connect(conninfo, autocommit=True) as rival:
        from hemostat.site.leadership import LOCK_KEY

        rival.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        witness = Counter()
        loops = (Loop(name="led", work=work, leader=True, every_s=0.05), Loop(name="any", work=witness, every_s=0.05))
        with at_work(conninfo, *loops):
            eventually(lambda: witness.rounds > 20)
            assert work.rounds == 0
            rival.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
            eventually(lambda: work.rounds > 0, why="it leads once the rival lets go")


def test_every_loop_of_the_house_has_a_name_of_its_own_and_can_be_done(db: None) -> None:
    assert len({loop.name for loop in LOOPS}) == len(LOOPS)
    for loop in LOOPS:
        loop.work(clock.now())
