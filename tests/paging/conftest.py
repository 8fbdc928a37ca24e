"""Fixtures of paging's tests: a clock turned by hand, a mail server, a webhook sink, and the engine over all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.events import actions as events
from hemostat.paging import chores
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
    """Let `seconds` pass, one at a time, and do after each what falls due."""

    def run(seconds: float = 0) -> None:
        engine = chores.engine()
        for second in range(int(seconds) + 1):
            if second:
                time.advance(1)
            while events.work_reactions() + engine.run_pages() + engine.run_deliveries():
                pass

    return run
