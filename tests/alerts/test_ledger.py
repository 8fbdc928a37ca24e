"""The ledger against a slow model of the same promises, over random histories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hemostat.alerts.rules import labels as words
from hemostat.alerts.rules.ledger import RESOLVE_TIMEOUT_S, Alert, Happening, Ledger, times
from hemostat.intake.readings import AlertReading

T0 = 1_767_225_600.0


def reading(name: str, starts: float | None = None, ends: float | None = None) -> AlertReading:
    return AlertReading({"alertname": name}, {}, starts, ends)


offsets = st.integers(-400, 400)
sendings = st.tuples(
    st.sampled_from("ab"),
    st.one_of(st.none(), offsets),
    st.one_of(st.none(), offsets),
    st.integers(0, 200),
    st.booleans(),
).filter(lambda s: s[1] is None or s[2] is None or s[2] >= s[1])


@given(st.lists(sendings, max_size=30))
def test_every_alert_fires_once_then_resolves_once_and_never_overlaps_itself(
    history: list[tuple[str, int | None, int | None, int, bool]],
) -> None:
    ledger, now = Ledger(), T0
    happenings: list[tuple[Happening, Alert]] = []
    born: list[Alert] = []
    for name, starts, ends, wait, drain in history:
        now += wait
        if wait > 100:
            ledger.expire(now)
        told = reading(name, None if starts is None else now + starts, None if ends is None else now + ends)
        ledger.take(1, told, now, "production")
        if drain:
            changes = ledger.drain()
            happenings += changes.happenings
            born += changes.born
            for alert in changes.born:
                alert.id = len(born)
    ledger.expire(now + 10_000)
    changes = ledger.drain()
    happenings += changes.happenings
    born += changes.born
    assert len(ledger) == 0
    for alert in born:
        assert [h for h, a in happenings if a is alert] == [Happening.FIRING, Happening.RESOLVED]
        assert alert.resolved_at is not None
        assert alert.resolved_at >= alert.starts_at
    for name in "ab":
        mine = [h for h, a in happenings if a.labels == {"alertname": name}]
        assert mine == [Happening.FIRING, Happening.RESOLVED] * (len(mine) // 2)
    assert sum(a.received for a in born) <= len(history)


@given(st.lists(sendings, max_size=30), st.integers(0, 30))
def test_going_on_from_what_is_stored_is_the_same_as_never_having_stopped(
    history: list[tuple[str, int | None, int | None, int, bool]], cut: int
) -> None:
    def state(ledger: Ledger) -> list[tuple[object, ...]]:
        return sorted(
            (a.labels["alertname"], a.starts_at, a.ends_at, a.ends_by_timeout, a.received, a.last_seen_at)
            for a in ledger._open.values()
        )

    def copy(alert: Alert) -> Alert:
        return Alert(**{name: getattr(alert, name) for name in Alert.__slots__})

    whole, now = Ledger(), T0
    stopped = Ledger()
    for n, (name, starts, ends, wait, _) in enumerate(history):
        now += wait
        if n == cut:
            stopped = Ledger([copy(a) for a in stopped._open.values()])
        told = reading(name, None if starts is None else now + starts, None if ends is None else now + ends)
        for ledger in (whole, stopped):
            ledger.take(1, told, now, "production")
    assert state(whole) == state(stopped)


def test_missing_times_are_filled_in_as_alertmanager_does() -> None:
    assert times(reading("a"), T0) == (T0, T0 + RESOLVE_TIMEOUT_S, True)
    assert times(reading("a", None, T0 - 5), T0) == (T0 - 5, T0 - 5, False)
    assert times(reading("a", T0 - 9, None), T0) == (T0 - 9, T0 + RESOLVE_TIMEOUT_S, True)
    assert times(reading("a", T0 + 900, None), T0) == (T0 + 900, T0 + 900 + RESOLVE_TIMEOUT_S, True)


def test_an_end_the_sender_told_outlasts_one_that_is_only_ours() -> None:
    ledger = Ledger()
    ledger.take(1, reading("a", None, T0 + 3600), T0, "production")
    ledger.take(1, reading("a"), T0 + 10, "production")
    alert = ledger.get(1, words.fingerprint({"alertname": "a"}))
    assert alert is not None
    assert alert.ends_at == T0 + 3600
    ledger.take(1, reading("b"), T0, "production")
    ledger.take(1, reading("b", None, T0 + 20), T0 + 10, "production")
    other = ledger.get(1, words.fingerprint({"alertname": "b"}))
    assert other is not None
    assert other.ends_at == T0 + 20


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5), min_size=1))
def test_the_identity_is_the_label_set_in_any_order(labels: dict[str, str]) -> None:
    assert words.fingerprint(labels) == words.fingerprint(dict(reversed(labels.items())))
    assert words.fingerprint(labels) != words.fingerprint({**labels, "one more label": "x"})


def test_the_service_an_alert_speaks_of() -> None:
    assert words.app_id({"app_id": "shop/pay", "job": "x"}) == "shop/pay"
    assert words.app_id({"service_name": "pay", "service_namespace": "shop"}) == "shop/pay"
    assert words.app_id({"service": "pay", "job": "x"}) == "pay"
    assert words.app_id({"job": "node"}) == "node"
    assert words.app_id({"alertname": "x"}) == ""
