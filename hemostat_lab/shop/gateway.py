"""The gateway: what users talk to."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hemostat_lab.layout import Role
from hemostat_lab.shop.app import Shop, user_of

PATIENCE_S = 4.0
BESTSELLERS_PATIENCE_S = 0.25


def service(shop: Shop) -> Sequence[Route]:
    """`GET /`, `GET /orders`, `POST /checkout`."""

    async def home(request: Request) -> JSONResponse:
        # The page is worth showing without the list: a slow answer costs the visitor nothing but it.
        try:
            answer = await shop.peers.call(
                shop.names[Role.ORDERS],
                "GET",
                "/bestsellers",
                user=user_of(request),
                timeout=BESTSELLERS_PATIENCE_S,
            )
            bestsellers = answer.json() if answer.is_success else []
        except httpx.HTTPError:
            bestsellers = []
        return JSONResponse({"bestsellers": bestsellers})

    async def orders(request: Request) -> JSONResponse:
        answer = await shop.peers.call(
            shop.names[Role.ORDERS], "GET", "/orders", user=user_of(request), timeout=PATIENCE_S
        )
        answer.raise_for_status()
        return JSONResponse(answer.json())

    async def checkout(request: Request) -> JSONResponse:
        answer = await shop.peers.call(
            shop.names[Role.CHECKOUT],
            "POST",
            "/checkouts",
            user=user_of(request),
            timeout=PATIENCE_S,
            body=await request.json(),
        )
        if not answer.is_client_error:
            answer.raise_for_status()
        return JSONResponse(answer.json(), status_code=answer.status_code)

    return [Route("/", home), Route("/orders", orders), Route("/checkout", checkout, methods=["POST"])]
