"""Identifiers that sort in the order in which they were made."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from hemostat.base.ids import uuid7

AT = datetime(2026, 11, 19, 13, 2, 31, 123000, tzinfo=UTC)


def test_ids_of_one_millisecond_sort_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7(AT) for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == 2000
    assert uuid7(AT + timedelta(milliseconds=1)) > made[-1]


def test_ids_are_version_7_of_the_standard_and_tell_their_millisecond() -> None:
    made = uuid7(AT)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(AT.timestamp() * 1000)


def test_ids_made_at_once_are_never_the_same() -> None:
    made: list[object] = []

    def make() -> None:
        made.extend([uuid7(AT) for _ in range(500)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000
