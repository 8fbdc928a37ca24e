"""Orders: notes, confirms and lists them in the store.

Two of the shop's usual troubles are here, steady whatever else happens: some histories were never brought
over from a former shop, and the list of bestsellers is slow now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg import sql
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hemostat_lab.shop.app import Shop, user_of
from hemostat_lab.shop.store import as_json

SLOW_LIST_SHARE = 0.008
SLOW_LIST_S = 0.5
UNMIGRATED_EVERY = 80
"""One user in this many has a history that cannot be read."""

NOTE = sql.SQL(
    "INSERT INTO orders (id, user_id, currency, amount_cents, items) "
    "VALUES (%(id)s, %(user)s, %(currency)s, %(amount)s, %(items)s) ON CONFLICT (id) DO NOTHING"
)
CONFIRM = sql.SQL("UPDATE orders SET charge = %(charge)s WHERE id = %(id)s")
LIST = sql.SQL(
    "SELECT id, amount_cents, currency FROM orders WHERE user_id = %(user)s ORDER BY placed_at DESC LIMIT 10"
)
BESTSELLERS = sql.SQL(
    "SELECT item, count(*) FROM (SELECT jsonb_array_elements_text(items) AS item FROM orders "
    "ORDER BY placed_at DESC LIMIT 100) AS latest GROUP BY item ORDER BY 2 DESC, 1 LIMIT 5"
)


class HistoryNotMigratedError(LookupError):
    """The user's former orders are still in the former shop's archive."""


def is_unmigrated(user: str) -> bool:
    """Whether the history of a user (`u-00042`) was never brought over; it is always the same users."""
    number = user.rpartition("-")[2]
    return number.isdecimal() and int(number) % UNMIGRATED_EVERY == 0


def service(shop: Shop) -> Sequence[Route]:
    """`POST /orders`, `PUT /orders/{order}/confirmation`, `GET /orders`, `GET /bestsellers`."""

    async def note(request: Request) -> JSONResponse:
        order = await request.json()
        values = {
            "id": order["order"],
            "user": user_of(request),
            "currency": order["currency"],
            "amount": order["amount_cents"],
            "items": as_json(order["items"]),
        }
        await shop.store.run("INSERT", "orders", NOTE, values)
        return JSONResponse({"order": order["order"]}, status_code=201)

    async def confirm(request: Request) -> JSONResponse:
        body = await request.json()
        await shop.store.run(
            "UPDATE", "orders", CONFIRM, {"id": request.path_params["order"], "charge": body["charge"]}
        )
        return JSONResponse({"order": request.path_params["order"]})

    async def history(request: Request) -> JSONResponse:
        user = user_of(request)
        rows = await shop.store.run("SELECT", "orders", LIST, {"user": user})
        if is_unmigrated(user):
            raise HistoryNotMigratedError("the history of this user is still in the archive")
        return JSONResponse([{"order": str(i), "amount_cents": a, "currency": c} for i, a, c in rows])

    async def bestsellers(_: Request) -> JSONResponse:
        rows = await shop.store.run("SELECT", "orders", BESTSELLERS, {})
        if shop.chance.random() < SLOW_LIST_SHARE:
            await asyncio.sleep(SLOW_LIST_S)
        return JSONResponse([item for item, _count in rows])

    return [
        Route("/orders", note, methods=["POST"]),
        Route("/orders", history),
        Route("/orders/{order}/confirmation", confirm, methods=["PUT"]),
        Route("/bestsellers", bestsellers),
    ]
