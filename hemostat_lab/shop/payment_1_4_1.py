"""Payment, release 1.4.1: adds the card network's fee, which differs by currency.

The bug is real: the table of fees was filled for one currency only, and most customers pay in another.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hemostat_lab.shop.app import Shop, refuse
from hemostat_lab.shop.payment_1_4_0 import DECLINED_SHARE, NO_FRAUD_CHECK_SHARE, FraudCheckTimeoutError

FEES_PERMILLE = {"USD": 14}


def with_fee(amount_cents: int, currency: str) -> int:
    """The amount with the network's fee."""
    return amount_cents + amount_cents * FEES_PERMILLE[currency] // 1000


def service(shop: Shop) -> Sequence[Route]:
    """`POST /charges`."""

    async def charge(request: Request) -> JSONResponse:
        order = await request.json()
        luck = shop.chance.random()
        if luck < DECLINED_SHARE:
            return refuse(402, "card_declined", "The bank declined the card.")
        amount = with_fee(order["amount_cents"], order["currency"])
        if luck < DECLINED_SHARE + NO_FRAUD_CHECK_SHARE:
            raise FraudCheckTimeoutError("the fraud check did not answer within 800 ms")
        return JSONResponse({"charge": str(uuid.uuid4()), "amount_cents": amount}, status_code=201)

    return [Route("/charges", charge, methods=["POST"])]
