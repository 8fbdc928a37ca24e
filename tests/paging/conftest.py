"""Fixtures of paging's tests: a clock turned by hand, a mail server, a webhook sink, and the engine over all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.due import next_due
from hemostat.events import actions as events
from hemostat.events.models import Reaction
from hemostat.paging import chores
from hemostat.paging.models import Delivery, Page
from tests.paging.world import START, Mailbox, Sink, mail_server, webhook_sink


@pytest.fixture
def time() -> Iterator[ManualClock]:
    """A clock that stands still until it is turned."""
    manual = ManualClock(START)
    with clock.using(manual):
        yield manual


@pytest.fixture
def mail(settings: Any) -> Iterator[Mailbox]:
    """A mail server on loopback, named in the settings."""
    with mail_server() as box:
        settings.CONFIG = msgspec.structs.replace(
            settings.CONFIG,
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            smtp_security="none",
            mail_from="Hemostat <hemostat@example.org>",
            public_url="https://hemo.example",
            webhook_allow_private=True,
        )
        yield box


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver of webhooks on loopback."""
    with webhook_sink() as server:
        yield server


@pytest.fixture
def work(time: ManualClock) -> Callable[[float], None]:
    """Let `seconds` pass, from one thing due to the next, and do each in its time."""

    def run(seconds: float = 0) -> None:
        engine = chores.engine()
        end = time.now() + timedelta(seconds=seconds)
        while True:
            while events.work_reactions() + engine.run_pages() + engine.run_deliveries():
                pass
            if time.now() >= end:
                return
            due = [at for model in (Page, Delivery, Reaction) if (at := next_due(model)) is not None]
            time.advance((min([*due, end]) - time.now()).total_seconds())

    return run
