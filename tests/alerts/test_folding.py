"""Folding the inbox: each alert once, in order, whoever folds and however often somebody dies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.db import connection

from hemostat.alerts import actions, queries
from hemostat.alerts.folding import Folding
from hemostat.alerts.models import Alert
from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.texts import Text
from hemostat.catalog.actions import ensure_environment
from hemostat.events.models import Event
from hemostat.events.rules import CONSOLE
from hemostat.intake import frames
from hemostat.intake.actions import CursorMovedError, add_source
from hemostat.intake.models import InboxCursor, InboxGroup, Source
from hemostat.intake.queries import parked
from hemostat.intake.store import INBOX_RING

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOWN = {"alertname": "Down", "severity": "critical", "service": "shop"}


@pytest.fixture
def time() -> Iterator[ManualClock]:
    manual = ManualClock(START)
    with clock.using(manual):
        actions.forget()
        yield manual
        actions.forget()


@pytest.fixture
def source(time: ManualClock) -> Source:
    found, _token = add_source(name="prometheus", protocol="alertmanager", environment_slug="production", actor=CONSOLE)
    return found


def alert(labels: dict[str, str] = DOWN, **more: object) -> dict[str, object]:
    told = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in more.items()}
    return {"labels": labels, "annotations": {"summary": "it is down"}, **told}


def commit(
    source: Source, *bodies: list[dict[str, object]], proc: int = 1, raw: bytes | None = None, codec: int | None = None
) -> InboxGroup:
    """A commit group as the door writes it."""
    InboxCursor.objects.get_or_create(proc=proc)
    at = clock.now()
    used, data = frames.pack([(source.pk, orjson.dumps(body)) for body in bodies])
    return InboxGroup.objects.create(
        proc=proc,
        slot=INBOX_RING.slot(at.timestamp()),
        received_at=at,
        codec=used if codec is None else codec,
        count=len(bodies),
        body=data if raw is None else raw,
    )


def fold() -> None:
    while actions.fold_inbox(clock.now()):
        pass


def told() -> list[str]:
    kinds = Event.objects.filter(kind__startswith="alerts.").order_by("id").values_list("kind", flat=True)
    return [kind.removeprefix("alerts.") for kind in kinds]


def test_an_alert_that_fires_is_stored_and_told_once_however_often_it_is_sent(
    source: Source, time: ManualClock
) -> None:
    for _ in range(5):
        commit(source, [alert()], [alert()])
        fold()
        time.advance(60)
    (row,) = Alert.objects.all()
    fold()
    row.refresh_from_db()
    assert (row.name, row.level, row.received, row.resolved_at) == ("Down", "critical", 10, None)
    assert row.environment == "production"
    assert told() == ["firing"]
    event = Event.objects.get(kind="alerts.firing")
    assert event.params["app_id"] == "shop"
    assert {(s.kind, s.ref_id) for s in event.subjects.all()} == {("alert", str(row.pk)), ("service", "shop")}


def test_an_alert_ends_five_minutes_after_it_was_last_sent(source: Source, time: ManualClock) -> None:
    commit(source, [alert()])
    fold()
    time.advance(200)
    commit(source, [alert()])
    fold()
    time.advance(299)
    fold()
    assert told() == ["firing"]
    time.advance(4)
    fold()
    assert told() == ["firing", "resolved"]
    row = Alert.objects.get()
    assert row.resolved_at == START + timedelta(seconds=500)
    assert Event.objects.get(kind="alerts.resolved").params["lasted_s"] == 500


def test_what_was_sent_while_nobody_folded_keeps_the_alert_open(source: Source, time: ManualClock) -> None:
    for _ in range(15):
        commit(source, [alert()])
        time.advance(60)
    fold()
    assert told() == ["firing"]
    assert Alert.objects.get().starts_at == START


def test_an_end_that_is_sent_resolves_and_firing_again_is_a_new_alert(source: Source, time: ManualClock) -> None:
    commit(source, [alert(startsAt=START, endsAt=START + timedelta(minutes=4))])
    fold()
    time.advance(60)
    commit(source, [alert(startsAt=START, endsAt=START + timedelta(seconds=50))])
    fold()
    assert Alert.objects.get().resolved_at == START + timedelta(seconds=50)
    time.advance(60)
    commit(source, [alert(startsAt=time.now())])
    fold()
    assert told() == ["firing", "resolved", "firing"]
    assert Alert.objects.filter(resolved_at__isnull=True).count() == 1


def test_the_end_of_an_alert_nobody_knows_is_ignored(source: Source, time: ManualClock) -> None:
    commit(source, [alert(startsAt=START - timedelta(hours=1), endsAt=START - timedelta(minutes=1))])
    fold()
    assert told() == []
    assert not Alert.objects.exists()


def test_an_end_from_before_the_alert_began_does_not_end_it(source: Source, time: ManualClock) -> None:
    commit(source, [alert(startsAt=START)])
    time.advance(5)
    commit(source, [alert(startsAt=START - timedelta(hours=1), endsAt=START - timedelta(minutes=1))])
    fold()
    assert told() == ["firing"]


def test_an_end_without_a_start_ends_what_fires_however_coarse_the_clock(source: Source, time: ManualClock) -> None:
    time.advance(0.7)
    commit(source, [alert()])
    commit(source, [alert(endsAt=START)])
    fold()
    assert told() == ["firing", "resolved"]
    row = Alert.objects.get()
    assert row.resolved_at == row.starts_at


def test_labels_with_empty_values_are_no_part_of_the_identity(source: Source, time: ManualClock) -> None:
    commit(source, [alert(), alert({**DOWN, "instance": ""})])
    fold()
    assert Alert.objects.get().labels == DOWN


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "critical"), ("page", "critical"), ("", "critical"), ("strange", "critical"), ("WARNING", "warning"),
     ("info", "warning"), ("none", "warning"), ("fatal", "fatal"), ("disaster", "fatal")],
)  # fmt: skip
def test_the_level_is_the_severity_label(source: Source, time: ManualClock, severity: str, level: str) -> None:
    commit(source, [alert({"alertname": "X", "severity": severity})])
    fold()
    assert Alert.objects.get().level == level


def test_a_label_moves_an_alert_to_another_environment_only_if_that_is_known(source: Source, time: ManualClock) -> None:
    ensure_environment("staging", paging=False)
    commit(source, [alert({"alertname": "A", "env": "Staging"}), alert({"alertname": "B", "env": "stagging"})])
    fold()
    assert dict(Alert.objects.values_list("name", "environment")) == {"A": "staging", "B": "production"}


def test_the_same_labels_from_two_sources_are_two_alerts(source: Source, time: ManualClock) -> None:
    other, _ = add_source(name="vmalert", protocol="alertmanager", environment_slug="production", actor=CONSOLE)
    commit(source, [alert()])
    commit(other, [alert()])
    fold()
    assert Alert.objects.count() == 2


def test_changed_annotations_are_taken_over(source: Source, time: ManualClock) -> None:
    commit(source, [alert()])
    fold()
    time.advance(2)
    commit(source, [{**alert(), "annotations": {"summary": "worse"}}])
    fold()
    assert queries.open_alerts()[0].annotations == {"summary": "worse"}


def test_whoever_leads_next_goes_on_exactly_where_the_last_one_stored(source: Source, time: ManualClock) -> None:
    """The first folder dies with extensions in memory; nothing is told twice, lost, or counted twice."""
    first, second = Folding(), Folding()
    commit(source, [alert()], [alert({"alertname": "Other"})])
    assert first.step(time.now()) == 1
    for _ in range(3):
        commit(source, [alert()])
        first.step(time.now())
    while second.step(time.now()):
        pass
    time.advance(2)
    second.step(time.now())
    assert told() == ["firing", "firing"]
    assert Alert.objects.get(name="Down").received == 4


def test_a_folder_that_lost_the_lead_stores_nothing(source: Source, time: ManualClock) -> None:
    first, second = Folding(), Folding()
    commit(source, [alert()])
    first.step(time.now())
    commit(source, [alert()])
    first.step(time.now())
    second.step(time.now())
    time.advance(2)
    second.step(time.now())
    memory = first._memory
    assert memory is not None
    with pytest.raises(CursorMovedError):
        first._write(memory, time.now())
    assert Alert.objects.get().received == 2
    commit(source, [alert()])
    first.step(time.now())
    time.advance(2)
    first.step(time.now())
    assert Alert.objects.get().received == 3


@pytest.mark.parametrize(
    ("raw", "codec"),
    [(b"\x00" * 5, 0), (b"nonsense", 1), (b"anything", 7), (b"\xff\xff\xff\x7f", 1)],
)
def test_a_group_that_cannot_be_read_is_put_aside_and_the_others_go_on(
    source: Source, time: ManualClock, raw: bytes, codec: int
) -> None:
    commit(source, [alert()])
    bad = commit(source, [alert()], raw=raw, codec=codec)
    commit(source, [alert({"alertname": "After"})])
    fold()
    assert [a.name for a in Alert.objects.order_by("pk")] == ["Down", "After"]
    (found,) = parked()
    assert (found.proc, found.group) == (1, bad.pk)
    assert found.reason


def test_a_group_that_cannot_be_stored_is_put_aside_and_the_others_go_on(source: Source, time: ManualClock) -> None:
    """The database has no NUL; the door takes them out, this one came past it."""
    commit(source, [alert()])
    bad = commit(source, [alert({"alertname": "a\0b"})])
    commit(source, [alert({"alertname": "After"})])
    fold()
    assert [a.name for a in Alert.objects.order_by("pk")] == ["Down", "After"]
    assert [p.group for p in parked()] == [bad.pk]
    assert told() == ["firing", "firing"]


def test_a_source_that_is_gone_is_put_aside(source: Source, time: ManualClock) -> None:
    gone = Source(pk=10**9)
    commit(gone, [alert()])
    commit(source, [alert()])
    fold()
    assert Alert.objects.count() == 1
    assert len(parked()) == 1


def test_several_doors_are_each_folded_in_their_own_order(source: Source, time: ManualClock) -> None:
    commit(source, [alert()], proc=5)
    commit(source, [alert({"alertname": "Other"})], proc=3)
    time.advance(1)
    commit(source, [alert(startsAt=START, endsAt=time.now())], proc=5)
    fold()
    assert Alert.objects.get(name="Down").resolved_at is not None
    assert dict(InboxCursor.objects.values_list("proc", "position")) == {
        proc: max(InboxGroup.objects.filter(proc=proc).values_list("id", flat=True)) for proc in (3, 5)
    }


def test_a_storm_takes_a_handful_of_statements(
    source: Source, time: ManualClock, django_assert_max_num_queries: object
) -> None:
    for n in range(20):
        commit(source, [alert({"alertname": "Down", "instance": f"host-{n}-{m}"}) for m in range(100)])
    with django_assert_max_num_queries(40):  # type: ignore[operator]
        fold()
    assert Alert.objects.count() == 2000
    assert len(told()) == 2000


def test_extending_needs_no_flush_of_the_disk_but_events_do(
    source: Source, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []
    from hemostat.intake import actions as intake

    before = intake.move_cursors

    def spy(moves: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("show synchronous_commit")
            modes.append(cursor.fetchone()[0])
        before(moves)  # type: ignore[arg-type]

    monkeypatch.setattr(intake, "move_cursors", spy)
    commit(source, [alert()])
    fold()
    time.advance(30)
    commit(source, [alert()])
    fold()
    time.advance(2)
    fold()
    assert modes == ["on", "off"]


def test_the_fate_of_an_alert_is_noted(source: Source, time: ManualClock) -> None:
    commit(source, [alert()])
    fold()
    (view,) = queries.open_alerts("production")
    assert view.fate is None
    actions.set_fate(view.id, Text("alerts.joined", {"incident": "INC-1"}))
    assert queries.alert(view.id).fate == Text("alerts.joined", {"incident": "INC-1"})
    with pytest.raises(Alert.DoesNotExist):
        actions.set_fate(view.id + 1, Text("alerts.joined"))
