"""The statements that run without Django, held against what the models made."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.apps import apps
from django.db import models

from hemostat.intake import chores, store
from hemostat.intake.models import AcceptedBody, InboxCursor, InboxGroup
from hemostat.intake.store import BODY_RING, INBOX_RING, Ring, Statement
from tests.intake.conftest import conninfo

pytestmark = pytest.mark.django_db(transaction=True)
STATEMENTS = (*store.ALERT_STATEMENTS, *store.TELEMETRY_STATEMENTS)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def columns_by_table() -> dict[str, dict[str, models.Field[object, object]]]:
    return {
        model._meta.db_table: {field.column: field for field in model._meta.concrete_fields if field.column}
        for model in apps.get_models()
    }


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.name)
def test_postgresql_accepts_every_statement(transactional_db: None, statement: Statement) -> None:
    with psycopg.connect(conninfo(), autocommit=True) as connection:
        result = connection.pgconn.prepare(b"s", statement.sql.encode())
        assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.name)
def test_every_statement_fills_every_column_of_its_model(statement: Statement) -> None:
    inserts = re.findall(r"insert into (\w+) \(([^)]*)\)", " ".join(statement.sql.split()))
    assert inserts
    for table, names in inserts:
        columns = columns_by_table()[table]
        assert {name for name, field in columns.items() if not isinstance(field, models.AutoField)} == {
            name.strip() for name in names.split(",")
        }


@pytest.mark.parametrize("model", [InboxGroup, AcceptedBody])
def test_the_rings_have_the_columns_of_their_models(model: type[models.Model]) -> None:
    with psycopg.connect(conninfo()) as connection:
        there = {
            name: (kind, required)
            for name, kind, required in connection.execute(
                "select attname, format_type(atttypid, null), attnotnull from pg_attribute"
                " where attrelid = %s::regclass and attnum > 0",
                [model._meta.db_table],
            )
        }
    from django.db import connection as django

    wanted = {f.column: (f.db_type(django), True) for f in model._meta.concrete_fields if f.column}
    assert there == wanted


def test_arrays_in_binary_form_are_read_as_they_were() -> None:
    with psycopg.connect(conninfo()) as connection:
        pgconn = connection.pgconn
        sql = (
            b"select $1::bigint[]::text, $2::float8[]::text, $3::text[]::text, $4::bytea[]::text, $5::boolean[]::text, "
            b"$6::smallint, $7::int, $8::bigint, $9::float8"
        )
        params = [
            store.int8s([1, -2]),
            store.float8s([0.5]),
            store.texts(["ä", ""]),
            store.byteas([b"\x00", b""]),
            store.bools([True, False]),
            store.int2(3),
            store.int4(4),
            store.int8(5),
            store.float8(0.25),
        ]
        result = pgconn.exec_params(sql, params, None, [1] * 9)
        assert [result.get_value(0, n) for n in range(9)] == [
            b"{1,-2}", b"{0.5}", b'{\xc3\xa4,""}', b'{"\\\\x00","\\\\x"}', b"{t,f}", b"3", b"4", b"5", b"0.25",
        ]  # fmt: skip
        empty = pgconn.exec_params(b"select $1::bigint[]::text", [store.int8s([])], None, [1])
        assert empty.get_value(0, 0) == b"{}"


@pytest.mark.parametrize(("ring", "keep"), [(INBOX_RING, chores.KEEP_INBOX), (BODY_RING, chores.KEEP_BODIES)])
def test_a_slot_is_spare_only_when_all_in_it_is_old_and_nothing_new_comes_soon(ring: Ring, keep: timedelta) -> None:
    for minutes in range(0, 3 * 24 * 60, 7):
        now = NOW + timedelta(minutes=minutes)
        spare = set(ring.spare(now, keep))
        assert spare, "there is always room"
        for age in range(0, int(keep.total_seconds()), 60):
            assert ring.slot(now.timestamp() - age) not in spare
        assert ring.slot(now.timestamp() + ring.seconds) not in spare


def group(at: datetime, proc: int = 1) -> InboxGroup:
    return InboxGroup.objects.create(
        proc=proc, slot=INBOX_RING.slot(at.timestamp()), received_at=at, codec=0, count=0, body=b""
    )


def test_old_alerts_and_hashes_go_by_whole_slots_but_never_before_they_are_folded() -> None:
    old, unfolded, young = (
        group(NOW - timedelta(hours=29)),
        group(NOW - timedelta(hours=35), proc=2),
        group(NOW - timedelta(hours=23)),
    )
    InboxCursor.objects.create(proc=1, position=young.pk)
    InboxCursor.objects.create(proc=2, position=0)
    for minutes in (1, 14, 24):
        at = NOW - timedelta(minutes=minutes)
        AcceptedBody.objects.create(slot=BODY_RING.slot(at.timestamp()), digest=bytes([minutes]) * 16, at=at)
    chores.drop_old(NOW)
    assert set(InboxGroup.objects.values_list("id", flat=True)) == {unfolded.pk, young.pk}
    assert old.pk not in InboxGroup.objects.values_list("id", flat=True)
    assert AcceptedBody.objects.count() == 2
    InboxCursor.objects.filter(proc=2).update(position=unfolded.pk)
    chores.drop_old(NOW)
    assert set(InboxGroup.objects.values_list("id", flat=True)) == {young.pk}
    chores.drop_old(NOW)
    assert set(InboxCursor.objects.values_list("proc", flat=True)) == {1}
