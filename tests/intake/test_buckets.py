"""Counting in memory and writing by overwriting: nothing is lost or counted twice, whatever fails in between."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from hemostat.intake.readings import SpanKind, SpanReading
from hemostat.intake.rules.buckets import OTHER, Buckets, Caps, ExceptionKey

START = 1_767_225_600


def reading(
    at: float,
    *,
    entry: str = "GET /",
    app_id: str = "shop",
    kind: SpanKind = SpanKind.SERVER,
    peer: str = "",
    failed: bool = False,
    code: int = 0,
    weight: float = 1.0,
) -> SpanReading:
    end = int(at * 1e9)
    return SpanReading(
        trace_id=b"t" * 16, span_id=b"s" * 8, parent_id=b"", kind=kind, name="n", start_ns=end - 10**7, end_ns=end,
        environment="production", app_id=app_id, failed=failed, http_code=code, entry=entry, peer=peer, weight=weight,
    )  # fmt: skip


class Table:
    """Rows as the database holds them: the last one written stays; readers add the rows of different procs."""

    def __init__(self) -> None:
        self.rows: dict[tuple[object, ...], tuple[float, float]] = {}
        self.exceptions: dict[tuple[object, ...], float] = {}

    def write(self, buckets: Buckets) -> None:
        spans, exceptions = buckets.take()
        for row in spans:
            self.rows[row.start_s, row.key, row.proc] = (row.totals.requests, row.totals.failed)
        for failure in exceptions:
            self.exceptions[failure.start_s, failure.key, failure.proc] = failure.totals.count

    @property
    def total(self) -> tuple[float, float]:
        return sum(r for r, _ in self.rows.values()), sum(f for _, f in self.rows.values())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 300), st.booleans()),
        st.tuples(st.just("write"), st.just(0), st.booleans()),
        st.tuples(st.just("forget"), st.integers(0, 600), st.booleans()),
    ),
    max_size=60,
)


@given(steps)
def test_what_is_written_is_what_was_counted_whatever_is_forgotten_or_fails_meanwhile(
    taken: list[tuple[str, int, bool]],
) -> None:
    procs = count(2)
    buckets, table = Buckets(1, lambda: next(procs)), Table()
    added = failed = 0
    for what, seconds, flag in taken:
        if what == "add":
            buckets.add(reading(START + seconds, failed=flag), now=START)
            added += 1
            failed += flag
        elif what == "write" and flag:
            buckets.give_back(*buckets.take())
        elif what == "write":
            table.write(buckets)
        else:
            buckets.forget(START + 600 + seconds)
    table.write(buckets)
    assert table.total == (added, failed)
    assert not buckets.dirty


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=80))
def test_beyond_the_caps_everything_is_still_counted(names: list[tuple[int, int]]) -> None:
    buckets, table = Buckets(1, lambda: 2, Caps(services=3, keys_per_service=2)), Table()
    for entry, app in names:
        buckets.add(reading(START, entry=f"GET /{entry}", app_id=f"app-{app}"), now=START)
    table.write(buckets)
    assert table.total[0] == len(names)
    keys = [key for _, key, _ in table.rows]
    apps = {key.app_id for key in keys}  # type: ignore[attr-defined]
    assert len(apps - {OTHER}) <= 3
    assert len(keys) <= 3 * 3 + 1


def test_a_span_stands_for_as_many_requests_as_its_weight() -> None:
    buckets, table = Buckets(1, lambda: 2), Table()
    buckets.add(reading(START, weight=4.0, failed=True), now=START)
    buckets.add(reading(START), now=START)
    table.write(buckets)
    assert table.total == (5.0, 4.0)


def test_only_requests_and_calls_to_somebody_are_counted() -> None:
    buckets, table = Buckets(1, lambda: 2), Table()
    for kind in SpanKind:
        buckets.add(reading(START, kind=kind), now=START)
        buckets.add(reading(START, kind=kind, peer="stock"), now=START)
    table.write(buckets)
    assert sorted((k.entry, k.peer, r) for (_, k, _), (r, _) in table.rows.items()) == [
        ("", "stock", 2.0),
        ("GET /", "", 4.0),
    ]  # type: ignore[attr-defined]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=40))
def test_an_exception_that_is_filed_again_is_counted_once(moved: list[tuple[int, int]]) -> None:
    buckets, table = Buckets(1, lambda: 2), Table()
    for seconds, times in moved:
        at = (START + seconds) * 10**9
        for n in range(times + 1):
            if n:
                buckets.add_exception(ExceptionKey("production", f"link-{n - 1}", "e"), at, -1.0, START)
            buckets.add_exception(ExceptionKey("production", f"link-{n}", "e"), at, 1.0, START)
            table.write(buckets)
    assert sum(table.exceptions.values()) == len(moved)
    assert all(n >= 0 for n in table.exceptions.values())
