"""Checkout: an order is noted, paid, and confirmed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hemostat_lab.layout import Role
from hemostat_lab.shop.app import Shop, user_of

PATIENCE_S = 3.0


def service(shop: Shop) -> Sequence[Route]:
    """`POST /checkouts`."""

    async def checkout(request: Request) -> JSONResponse:
        user, basket = user_of(request), await request.json()
        order = {**basket, "order": str(uuid.uuid4())}
        noted = await shop.peers.call(
            shop.names[Role.ORDERS], "POST", "/orders", user=user, timeout=PATIENCE_S, body=order
        )
        noted.raise_for_status()
        paid = await shop.peers.call(
            shop.names[Role.PAYMENT], "POST", "/charges", user=user, timeout=PATIENCE_S, body=order
        )
        if paid.is_client_error:
            return JSONResponse(paid.json(), status_code=paid.status_code)
        paid.raise_for_status()
        confirmed = await shop.peers.call(
            shop.names[Role.ORDERS],
            "PUT",
            "/orders/{order}/confirmation",
            user=user,
            timeout=PATIENCE_S,
            values={"order": order["order"]},
            body={"charge": paid.json()["charge"]},
        )
        confirmed.raise_for_status()
        return JSONResponse({"order": order["order"], "paid": paid.json()["amount_cents"]}, status_code=201)

    return [Route("/checkouts", checkout, methods=["POST"])]
