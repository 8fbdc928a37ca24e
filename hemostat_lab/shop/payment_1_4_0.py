"""Payment, release 1.4.0: charges cards. Some are declined; the fraud check is not always in time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hemostat_lab.shop.app import Shop, refuse

DECLINED_SHARE = 0.025
NO_FRAUD_CHECK_SHARE = 0.005


class FraudCheckTimeoutError(TimeoutError):
    """The fraud check gave no answer within its time."""


def service(shop: Shop) -> Sequence[Route]:
    """`POST /charges`."""

    async def charge(request: Request) -> JSONResponse:
        order = await request.json()
        luck = shop.chance.random()
        if luck < DECLINED_SHARE:
            return refuse(402, "card_declined", "The bank declined the card.")
        if luck < DECLINED_SHARE + NO_FRAUD_CHECK_SHARE:
            raise FraudCheckTimeoutError("the fraud check did not answer within 800 ms")
        return JSONResponse({"charge": str(uuid.uuid4()), "amount_cents": order["amount_cents"]}, status_code=201)

    return [Route("/charges", charge, methods=["POST"])]
