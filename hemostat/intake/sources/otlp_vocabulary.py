"""What OpenTelemetry's attributes mean to us; old and new names of the semantic conventions both count.

`http.method` became `http.request.method`, `db.system` became `db.system.name`, and so on; SDKs of both ages send
to one installation. Newer names come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from hemostat.base.ids import slugify_ascii
from hemostat.catalog.rules import app_id
from hemostat.intake.readings import SpanKind
from hemostat.intake.rules.learned import tidy
from hemostat.intake.rules.redaction import redact

MAX_APP_ID = 200
MAX_ENTRY = 300
MAX_PEER = 200
MAX_ENVIRONMENT = 64

UNKNOWN_SERVICE = "unknown_service"
"""What SDKs call a service that was not named."""

HTTP_METHOD = ("http.request.method", "http.method")
HTTP_CODE = ("http.response.status_code", "http.status_code")
ROUTE = ("http.route",)
TEMPLATE = ("url.template", "http.route")
URL = ("url.path", "http.target", "url.full", "http.url")
RPC_SERVICE = ("rpc.service",)
RPC_METHOD = ("rpc.method",)
DESTINATION = ("messaging.destination.template", "messaging.destination.name", "messaging.destination")
MESSAGING_OPERATION = ("messaging.operation.name", "messaging.operation.type", "messaging.operation")
PEER = (
    "peer.service", "service.peer.name", "server.address", "net.peer.name", "db.system.name", "db.system",
    "messaging.destination.template", "messaging.destination.name", "messaging.destination", "rpc.service",
    "network.peer.address", "net.peer.ip",
)  # fmt: skip
DB_SYSTEM = ("db.system.name", "db.system")
DB_OPERATION = ("db.operation.name", "db.operation")
DB_COLLECTION = ("db.collection.name", "db.sql.table", "db.mongodb.collection")
BUSINESS_CODE = ("error.code", "app.error_code", "app.error.code")
USER = ("user.id", "enduser.id")
ERROR_TYPE = ("error.type",)
EXCEPTION_CLASS = "hemostat.exception.class"

NAMESPACE = ("service.namespace",)
NAME = ("service.name",)
VERSION = ("service.version",)
ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
INSTANCE = ("host.name", "k8s.pod.name", "service.instance.id", "container.id")

SPAN_KEYS = frozenset(
    {
        *HTTP_METHOD, *HTTP_CODE, *ROUTE, *TEMPLATE, *URL, *RPC_SERVICE, *RPC_METHOD, *DESTINATION,
        *MESSAGING_OPERATION, *PEER, *DB_OPERATION, *DB_COLLECTION, *BUSINESS_CODE, *ERROR_TYPE, EXCEPTION_CLASS,
    }
)  # fmt: skip
"""The attributes of a span that mean something here, besides the user; the others are evidence at most."""
RESOURCE_KEYS = frozenset({*NAMESPACE, *NAME, *VERSION, *ENVIRONMENT, *INSTANCE})

Attributes = Mapping[str, str]


def first(attributes: Attributes, names: tuple[str, ...]) -> str:
    """The value of the first of `names` that is there and not empty; "" when none is."""
    for name in names:
        if value := attributes.get(name):
            return value
    return ""


def service(resource: Attributes) -> str:
    """The AppId of a resource."""
    return app_id(first(resource, NAMESPACE), first(resource, NAME) or UNKNOWN_SERVICE)[:MAX_APP_ID]


def environment(resource: Attributes, default: str) -> str:
    """The slug of a resource's environment, `default` when it names none."""
    named = first(resource, ENVIRONMENT)
    return slugify_ascii(named)[:MAX_ENVIRONMENT] if named else default


def _messaging(attributes: Attributes) -> str:
    destination = first(attributes, DESTINATION)
    if not destination:
        return ""
    return f"{destination} {first(attributes, MESSAGING_OPERATION)}".rstrip()


def _rpc(attributes: Attributes) -> str:
    named, method = first(attributes, RPC_SERVICE), first(attributes, RPC_METHOD)
    return f"{named}/{method}" if named and method else named or method


def entry_method(attributes: Attributes, name: str) -> str:
    """The entry of a request: `METHOD route`, `rpc.service/rpc.method`, destination and operation, else the name.

    Without a route the span's name is used, never the URL: names are meant to be few, URLs are not.
    """
    if route := first(attributes, ROUTE):
        method = first(attributes, HTTP_METHOD)
        return f"{method} {route}".strip()[:MAX_ENTRY]
    return (_rpc(attributes) or _messaging(attributes) or name or "unnamed")[:MAX_ENTRY]


def peer(attributes: Attributes) -> str:
    """Whom a call is to: `peer.service`, the server's address, the kind of database, or the destination."""
    return first(attributes, PEER)[:MAX_PEER]


def peer_operation(attributes: Attributes, name: str) -> str:
    """What a call asks of the peer: `GET /items/{id}`, `SELECT orders`, `Payments/Charge`, else the span's name.

    Of a URL only the path is used, identifiers replaced.
    """
    if template := first(attributes, TEMPLATE):
        return f"{first(attributes, HTTP_METHOD)} {template}".strip()[:MAX_ENTRY]
    if first(attributes, DB_SYSTEM):
        parts = (first(attributes, DB_OPERATION), first(attributes, DB_COLLECTION))
        return (" ".join(p for p in parts if p) or name)[:MAX_ENTRY]
    if named := _rpc(attributes) or _messaging(attributes):
        return named[:MAX_ENTRY]
    if (url := first(attributes, URL)) and (method := first(attributes, HTTP_METHOD)):
        return f"{method} {_path(url)}"[:MAX_ENTRY]
    return name[:MAX_ENTRY]


def _path(url: str) -> str:
    """The path of a URL, whole or in part, without query and with identifiers replaced by `*`."""
    scheme, separator, rest = url.partition("://")
    path = "/" + rest.partition("/")[2] if separator else scheme
    return tidy(path.partition("?")[0].partition("#")[0])


def http_code(attributes: Attributes) -> int:
    """The HTTP status code; 0 when there is none."""
    text = first(attributes, HTTP_CODE)
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0


def is_result_error(attributes: Attributes, kind: SpanKind, code: int) -> bool:
    """Whether a call was answered, with a wrong or failing result."""
    if attributes.get(EXCEPTION_CLASS) == "result":
        return True
    return kind is SpanKind.CLIENT and code > 0 and bool(first(attributes, ERROR_TYPE))


def sampling_weight(trace_state: str) -> float:
    """How many requests a span stands for, by the `ot` entry of its trace state; 1 without one.

    `th:` is the rejection threshold of 56 bits in hex without trailing zeros; `p:` its older form, a power of two.
    """
    if "ot=" not in trace_state:
        return 1.0
    for member in trace_state.split(","):
        vendor, _, value = member.strip().partition("=")
        if vendor != "ot":
            continue
        for item in value.split(";"):
            name, _, text = item.partition(":")
            try:
                if name == "th" and 0 < len(text) <= 14:
                    rejected = int(text.ljust(14, "0"), 16) / (1 << 56)
                    return min(1 / (1 - rejected), 1e6) if 0 <= rejected < 1 else 1.0
                if name == "p" and 0 <= int(text) < 63:
                    return float(1 << min(int(text), 20))
            except ValueError:
                return 1.0
    return 1.0


class Meaning(NamedTuple):
    """What a span's attributes say, but for the user."""

    entry: str
    peer: str
    peer_operation: str
    http_code: int
    business_code: str
    result_error: bool


@lru_cache(maxsize=16_384)
def meaning(kind: SpanKind, name: str, pairs: tuple[tuple[str, str], ...]) -> Meaning:
    """What the attributes `pairs` of a span called `name` say, redacted. Remembered: spans differ in few ways."""
    attributes = dict(pairs)
    code = http_code(attributes)
    serves = kind in (SpanKind.SERVER, SpanKind.CONSUMER)
    calls = kind in (SpanKind.CLIENT, SpanKind.PRODUCER)
    return Meaning(
        entry=redact(entry_method(attributes, name)) if serves else "",
        peer=redact(peer(attributes)) if calls else "",
        peer_operation=redact(peer_operation(attributes, name)) if calls else "",
        http_code=code,
        business_code=redact(first(attributes, BUSINESS_CODE)[:300]),
        result_error=is_result_error(attributes, kind, code),
    )
