"""Looking once a second: a drop is opened once, kept up to date, and closed when the share is back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.detection import actions, queries
from hemostat.detection.models import Drop
from hemostat.detection.watch import Watch
from hemostat.events import queries as events
from hemostat.events.models import Event
from hemostat.intake.models import SpanBucket

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)


class Shop:
    """Traffic of two entries, ten seconds at a time, and a detection that looks after each."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.watch = Watch()

    def ten_seconds(self, failed: int, requests: int = 100, *, proc: int = 1, entry: str = "POST /pay") -> None:
        """Figures of one process."""
        SpanBucket.objects.create(
            bucket=self.clock.now(), environment="production", app_id="gateway", entry="POST /pay", peer="",
            proc=proc, requests=requests, failed=failed, duration_ms=1.0,
        )  # fmt: skip

    def look(self) -> actions.Looked:
        """Let ten seconds pass and look."""
        now = self.clock.advance(10)
        with clock.using(self.clock):
            return actions.look(now, self.watch)

    def healthy(self, buckets: int) -> None:
        """Healthy traffic."""
        for _ in range(buckets):
            self.ten_seconds(0)
            assert self.look() == actions.Looked()


def test_a_drop_is_opened_once_kept_up_to_date_and_closed_when_the_share_is_back() -> None:
    shop = Shop()
    shop.healthy(12)
    shop.ten_seconds(90)
    opened = shop.look().opened
    assert len(opened) == 1
    shop.ten_seconds(100)
    assert shop.look() == actions.Looked()
    drop = queries.drop(opened[0])
    assert (drop.app_id, drop.entry, drop.onset_at) == (
        "gateway",
        "POST /pay",
        START + timedelta(seconds=120),
    )
    assert (drop.baseline, drop.worst, drop.failed) == (1.0, 0.0, 190)
    assert drop.current == pytest.approx(0.05)
    assert [d.id for d in queries.open_drops("production")] == [drop.id]
    assert queries.open_drops("elsewhere") == []
    shop.ten_seconds(0)
    assert shop.look().recovered == ()
    shop.ten_seconds(0)
    shop.look()
    shop.ten_seconds(0)
    shop.look()
    assert queries.drop(drop.id).recovered_at is not None
    kinds = [e.kind for e in events.about("drop", str(drop.id), newest_first=False)]
    assert kinds == ["detection.drop_opened", "detection.drop_recovered"]
    told = events.about("service", "gateway", newest_first=False)[0]
    assert told.params == {
        "environment": "production",
        "app_id": "gateway",
        "entry": "POST /pay",
        "baseline": 1.0,
        "current": pytest.approx(0.1),
        "onset": "2026-11-19T13:02:00+00:00",
    }


def test_a_second_failure_soon_after_the_first_is_a_drop_of_its_own() -> None:
    shop = Shop()
    shop.healthy(12)
    for failed in (90, 90, 0, 0, 0, 0):
        shop.ten_seconds(failed)
        shop.look()
    assert Drop.objects.filter(recovered_at__isnull=False).count() == 1
    shop.healthy(3)
    shop.ten_seconds(40)
    assert len(shop.look().opened) == 1


def test_traffic_that_vanishes_is_no_recovery() -> None:
    shop = Shop()
    shop.healthy(12)
    shop.ten_seconds(90)
    shop.look()
    for _ in range(20):
        assert shop.look() == actions.Looked()
    assert len(queries.open_drops()) == 1


def test_figures_of_two_intake_processes_are_added() -> None:
    shop = Shop()
    shop.healthy(12)
    shop.ten_seconds(4, 50)
    shop.ten_seconds(4, 50, proc=2)
    assert len(shop.look().opened) == 1


def test_a_new_leader_carries_on_with_the_open_drop() -> None:
    shop = Shop()
    shop.healthy(12)
    shop.ten_seconds(90)
    shop.look()
    shop.watch = Watch()
    shop.ten_seconds(90)
    assert shop.look() == actions.Looked()
    assert Event.objects.filter(kind="detection.drop_opened").count() == 1


def test_the_figures_of_an_entry_are_given_as_a_series_and_as_one_share() -> None:
    shop = Shop()
    shop.healthy(2)
    shop.ten_seconds(50)
    shop.look()
    shop.look()
    series = queries.kpi("production", "gateway", "POST /pay", START + timedelta(seconds=5), shop.clock.now())
    assert [(p.requests, p.failed, p.share) for p in series.points] == [
        (100, 0, 1.0), (100, 0, 1.0), (100, 50, 0.5), (0, 0, None),
    ]  # fmt: skip
    later = START + timedelta(seconds=10)
    assert queries.success("production", "gateway", "POST /pay", later, shop.clock.now()) == (0.75, 200)
    assert queries.success("production", "gateway", "GET /x", later, shop.clock.now()) == (0.0, 0)
