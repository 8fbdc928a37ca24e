"""Overload: what cannot be stored soon is refused with a time to come back; nothing that was answered 200 is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from django.db.models import Max

from hemostat.events.rules import CONSOLE
from hemostat.intake import actions
from hemostat.intake.door import Door, DoorSettings
from hemostat.intake.models import InboxCursor, InboxGroup
from tests.intake.conftest import conninfo, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")


class OpenDoor:
    """A door in an event loop of its own thread, asked without a socket."""

    def __init__(self, settings: DoorSettings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.door = Door(settings)
        self.run(self.door.startup())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the door's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def send(self, token: str, name: str) -> Future[httpx.Response]:
        """Send one alert; the answer is a future of this thread's."""
        return asyncio.run_coroutine_threadsafe(self._post(token, name), self._loop)

    async def _post(self, token: str, name: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await client.post(
                "/api/v2/alerts",
                json=[{"labels": {"alertname": name}}],
                headers={"authorization": f"Bearer {token}"},
            )

    def close(self) -> None:
        """Let what waits be stored, and stop."""
        self.run(self.door.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def opened(**limits: int) -> Iterator[tuple[OpenDoor, str]]:
    """A door with narrow limits, and a source's token that it knows."""
    token = actions.add_source(
        name="prometheus", protocol="alertmanager", environment_slug="production", actor=CONSOLE
    )[1]
    door = OpenDoor(DoorSettings(conninfo=conninfo(), user_key=b"k", **limits))
    try:
        wait_for(lambda: door.door.ready)
        yield door, token
    finally:
        door.close()


def test_while_nothing_can_be_stored_senders_are_slowed_down_and_what_was_taken_is_kept() -> None:
    with opened(waiting_bytes=300) as (door, token):
        with psycopg.connect(conninfo()) as blocker:
            blocker.execute("lock table intake_inboxgroup in access exclusive mode")
            pending = [door.send(token, f"alert-{n}") for n in range(40)]
            refused = door.send(token, "late").result(20)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            blocker.rollback()
        answers = [future.result(20).status_code for future in pending]
    assert set(answers) <= {200, 429}
    assert answers.count(200) >= 2
    assert sum(InboxGroup.objects.values_list("count", flat=True)) == answers.count(200)


def test_alerts_are_refused_while_the_engine_is_too_far_behind_and_taken_again_when_it_is_not() -> None:
    with opened(backlog_bytes=0) as (door, token):
        assert door.send(token, "first").result(20).status_code == 200
        refused = door.send(token, "second").result(20)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        newest = InboxGroup.objects.aggregate(at=Max("id"))["at"]
        InboxCursor.objects.filter(proc=door.door.proc).update(position=newest)
        wait_for(lambda: door.send(token, "third").result(20).status_code == 200)
