"""How a service calls another: by its logical name, to the instance whose turn it is, within a time-out.

The span of a call carries the logical name and the route asked for; the instance's address stays below it.
"""

from __future__ import annotations

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor, RequestInfo
from opentelemetry.trace import Span

from hemostat_lab.rotation import Rotation

USER_HEADER = "x-user-id"
ATTEMPTS = 2


class Balancer(httpx.AsyncBaseTransport):
    """Sends each request to an instance of the service that its URL names; to the next where none listens."""

    def __init__(self, rotation: Rotation) -> None:
        self._rotation = rotation
        self._wire = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        service = request.url.host
        refused: httpx.ConnectError | None = None
        for port in self._rotation.ports(service)[:ATTEMPTS]:
            attempt = httpx.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1", port=port),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
            try:
                return await self._wire.handle_async_request(attempt)
            except httpx.ConnectError as error:
                refused = error
        if refused is not None:
            raise httpx.ConnectError(f"{service} refuses connections: {refused}", request=request) from refused
        raise httpx.ConnectError(f"no instance of {service} is in rotation", request=request)

    async def aclose(self) -> None:
        await self._wire.aclose()


class Peers:
    """The client of one service for all that it calls."""

    def __init__(self, rotation: Rotation) -> None:
        self._client = httpx.AsyncClient(transport=Balancer(rotation))
        HTTPXClientInstrumentor.instrument_client(self._client, request_hook=_name_by_route)

    async def call(
        self,
        service: str,
        method: str,
        route: str,
        *,
        user: str,
        timeout: float,
        values: dict[str, str] | None = None,
        body: object = None,
    ) -> httpx.Response:
        """Ask `service`; `route` is its template (`/orders/{order}`), filled with `values`.

        Raises `httpx.HTTPError` where no answer comes; an answer is returned whatever its status.
        """
        return await self._client.request(
            method,
            f"http://{service}{route.format(**(values or {}))}",
            headers={USER_HEADER: user},
            json=body,
            timeout=timeout,
            extensions={"route": route},
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()


async def _name_by_route(span: Span, request: RequestInfo) -> None:
    route = (request.extensions or {}).get("route")
    if route:
        span.update_name(f"{request.method.decode()} {route}")
        span.set_attribute("url.template", route)
