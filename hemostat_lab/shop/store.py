"""How orders reaches its store: PostgreSQL by psycopg, a client span for each statement.

No pool that waits: a connection is taken from those that are idle, or made. So a store that refuses
connections shows as just that, in the statement that met it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from psycopg import sql

from hemostat_lab.rotation import Rotation

MAX_IDLE = 4
CONNECT_TIMEOUT_S = 2


class Store:
    """The store called `name`; logical name and true address meet in the rotation, as in a hosts file."""

    def __init__(self, name: str, rotation: Rotation, password: str) -> None:
        self._name = name
        self._rotation = rotation
        self._password = password
        self._idle: list[psycopg.AsyncConnection[tuple[Any, ...]]] = []
        self._tracer = trace.get_tracer("hemostat_lab.store")

    async def run(
        self, operation: str, collection: str, statement: sql.SQL, values: Mapping[str, object]
    ) -> Sequence[tuple[Any, ...]]:
        """Carry out one statement, safe to repeat; its rows, if it gives any. Raises `psycopg.Error`."""
        with self._tracer.start_as_current_span(
            f"{operation} {collection}",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.namespace": "shop",
                "db.operation.name": operation,
                "db.collection.name": collection,
                "db.query.summary": f"{operation} {collection}",
                "server.address": self._name,
                "server.port": 5432,
            },
        ) as span:
            try:
                return await self._run(statement, values)
            except psycopg.Error as error:
                span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
                raise

    async def forget_older_than(self, seconds: int) -> None:
        """Delete old orders, so that a lab left alone for days does not grow; untraced, as at night."""
        await self._run(
            sql.SQL("DELETE FROM orders WHERE placed_at < now() - make_interval(secs => %(seconds)s)"),
            {"seconds": seconds},
        )

    async def _run(self, statement: sql.SQL, values: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._execute(connection, statement, values)
            except psycopg.OperationalError:
                # The store was restarted behind this connection; those left idle are as old.
                await connection.close()
        return await self._execute(await self._connect(), statement, values)

    async def _execute(
        self,
        connection: psycopg.AsyncConnection[tuple[Any, ...]],
        statement: sql.SQL,
        values: Mapping[str, object],
    ) -> Sequence[tuple[Any, ...]]:
        try:
            cursor = await connection.execute(statement, values)
            rows = await cursor.fetchall() if cursor.description else []
        except BaseException:
            await connection.close()
            raise
        if len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            await connection.close()
        return rows

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        return await psycopg.AsyncConnection.connect(
            host=self._name,
            hostaddr="127.0.0.1",
            port=self._rotation.ports(self._name)[0],
            user="shop",
            password=self._password,
            dbname="shop",
            connect_timeout=CONNECT_TIMEOUT_S,
            autocommit=True,
        )

    async def aclose(self) -> None:
        """Close what is open."""
        while self._idle:
            await self._idle.pop().close()


def as_json(value: object) -> str:
    """A value for a `jsonb` parameter."""
    return json.dumps(value)
