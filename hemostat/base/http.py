"""The only way out: HTTP requests with a deadline, a cap on what is read, and a guard against inner addresses.

An address typed by somebody must not reach what only this machine can reach (server-side request forgery). The name
is resolved here, each address it stands for is judged, and the connection goes to a judged address, so that a name
that answers differently the second time gains nothing. Redirects are not followed: they are an answer.

Errors tell the host and what went wrong, never the path, the query, a header or a body: those hold secrets.
"""

from __future__ import annotations

import base64
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import httpcore
from django.conf import settings

from hemostat.base import clock

MAX_BYTES = 1 << 20
"""What is read of an answer; the rest is left."""
TIMEOUT_S = 10.0
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class HttpError(Exception):
    """The request has no answer; the message names the host, never a secret."""


class NotSentError(HttpError):
    """Nothing reached the other side: it may safely be tried again."""


class BlockedError(NotSentError):
    """The address is not one that requests may go to; trying again will not help."""


class NoAnswerError(HttpError):
    """The request, or a part of it, was sent and no whole answer came: the other side may have acted on it."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: names of headers in lower case, at most `max_bytes` of content."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    truncated: bool = False


def is_public(address: str) -> bool:
    """Whether an IP address is reached over the public internet, also when it is wrapped into another."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast


def _look_up(host: str, port: int, timeout_s: float) -> list[str]:
    """The addresses of `host`; in a thread, because the system's resolver knows no deadline."""
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answer.put(OSError(str(error)))
        else:
            answer.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        result = answer.get(timeout=max(0.001, timeout_s))
    except queue.Empty:
        raise NotSentError(f"{host}: its name was not resolved within {timeout_s:.0f} s") from None
    if isinstance(result, OSError):
        raise NotSentError(f"{host}: its name cannot be resolved")
    return result


class _Stream(httpcore.NetworkStream):
    """A connection of which no step outlives the deadline of the whole request."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline rules
        return self._inner.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._inner.write(buffer, self._deadline.left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(httpcore.ConnectTimeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Deadline:
    def __init__(self, timeout_s: float) -> None:
        self._at = clock.monotonic() + timeout_s

    def left(self, late: type[Exception]) -> float:
        """Seconds until the deadline; raises `late` after it."""
        seconds = self._at - clock.monotonic()
        if seconds <= 0:
            raise late
        return seconds


class _Guard(httpcore.NetworkBackend):
    """Connects to judged addresses only. TLS still speaks to, and checks, the name in the URL."""

    def __init__(self, deadline: _Deadline, *, allow_private: bool) -> None:
        self._deadline = deadline
        self._allow_private = allow_private
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline rules
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _look_up(host, port, self._deadline.left(httpcore.ConnectTimeout))
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise BlockedError(
                f"{host}: its address is private or of this machine; "
                "HEMOSTAT_WEBHOOK_ALLOW_PRIVATE=true lets requests go there"
            )
        failure: Exception = NotSentError(f"{host}: it has no address")
        for address in addresses:
            try:
                left = self._deadline.left(httpcore.ConnectTimeout)
                return _Stream(
                    self._plain.connect_tcp(address, port, left, local_address, socket_options), self._deadline
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _parts(url: str) -> tuple[SplitResult, str]:
    """The parts of `url` and its host; raises `BlockedError` for what is no HTTP address."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise BlockedError("the address cannot be read as a URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise BlockedError("an address begins with http:// or https:// and names a host")
    return parts, host


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
    allow_private: bool | None = None,
    allowed_hosts: Collection[str] = (),
) -> Response:
    """Send one request and read its answer, all within `timeout_s` seconds.

    Private addresses are refused unless `allow_private` (None: the setting) or the host is one of `allowed_hosts`.
    Raises `BlockedError`, `NotSentError` or `NoAnswerError`; any status is an answer.
    """
    parts, host = _parts(url)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    sent.setdefault("host", parts.netloc.rpartition("@")[2])
    sent.setdefault("user-agent", "hemostat")
    sent["accept-encoding"] = "identity"
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        sent.setdefault("authorization", "Basic " + base64.b64encode(login).decode())
    if content is not None:
        sent["content-length"] = str(len(content))
    allow = settings.CONFIG.webhook_allow_private if allow_private is None else allow_private
    guard = _Guard(_Deadline(timeout_s), allow_private=allow or host in allowed_hosts)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        address = httpcore.URL(scheme=parts.scheme, host=host.encode("idna" if not host.isascii() else "ascii"),
                               port=parts.port, target=target.encode("ascii"))  # fmt: skip
        lines = [(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()]
    except UnicodeError:
        raise BlockedError(f"{host}: the address or a header has characters that HTTP does not allow") from None
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=guard, max_connections=1) as pool,
            pool.stream(method.upper(), address, headers=lines, content=content) as answer,
        ):
            return _read(answer, max_bytes)
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.LocalProtocolError) as error:
        raise NotSentError(f"{host}: no connection ({_reason(error)})") from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise NoAnswerError(f"{host}: no answer ({_reason(error)})") from None


def _read(answer: httpcore.Response, max_bytes: int) -> Response:
    content = bytearray()
    for chunk in answer.iter_stream():
        content += chunk
        if len(content) > max_bytes:
            break
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Response(answer.status, found, bytes(content[:max_bytes]), truncated=len(content) > max_bytes)


def _reason(error: Exception) -> str:
    """What went wrong, in words of ours and the system's; a protocol error may quote what was sent, so not its text."""
    cause = error.__context__
    match error:
        case httpcore.TimeoutException():
            return "it took too long"
        case httpcore.ProtocolError():
            return "it does not speak HTTP as it should"
    match cause:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {cause.verify_message}"
        case ssl.SSLError():
            return "TLS could not be agreed"
        case OSError(strerror=str(words)):
            return words.lower()
    return type(error).__name__


def get(url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Response:
    """GET; see `request`."""
    return request("GET", url, headers=headers, timeout_s=timeout_s)


def post(
    url: str, *, content: bytes, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> Response:
    """POST; see `request`."""
    return request("POST", url, headers=headers, content=content, timeout_s=timeout_s)
