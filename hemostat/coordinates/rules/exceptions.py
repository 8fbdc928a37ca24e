"""Node-exception coordinates: what kind of failure happened inside a system.

An exception coordinate is unique inside its system and stands for one risk point: class, error code, and for
failed calls the peer. The error code is taken from what never carries an id or a line number (business code,
exception type, status code), so that one risk point keeps one coordinate however its messages read. The words
that tell classes apart are those of the OpenTelemetry conventions and of the standard libraries of the common
languages; nothing here knows a particular service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hemostat.base.ids import short_code
from hemostat.coordinates.rules.codes import CoordinateError, escape, unescape


class ExceptionClass(StrEnum):
    """Where the fault of an exception lies, seen from the system that raised it."""

    INTERNAL = "internal"
    """The system's own logic failed."""
    DEPENDENCY = "dependency"
    """A call to another system failed: refused, reset, timed out, unreachable."""
    RESULT = "result"
    """A call that answered, with a wrong or failing result."""
    RESOURCE = "resource"
    """A limited resource ran out: pool, threads, memory, disk, quota."""
    SLOW = "slow"
    """Nothing was raised; the system took far longer than usual."""


_CLASSES = frozenset(c.value for c in ExceptionClass)


class ExceptionFacts(Protocol):
    """An exception as it was recorded."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


class SpanFacts(Protocol):
    """What classification looks at; `intake.readings.SpanReading` is one."""

    @property
    def kind(self) -> int: ...
    @property
    def failed(self) -> bool: ...
    @property
    def http_code(self) -> int: ...
    @property
    def peer(self) -> str: ...
    @property
    def business_code(self) -> str: ...
    @property
    def result_error(self) -> bool: ...
    @property
    def exception(self) -> ExceptionFacts | None: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...


_CALLS = frozenset({3, 4})
"""Numbers of the span kinds CLIENT and PRODUCER."""

CLASS_ATTRIBUTE = "hemostat.exception.class"
"""A span may say its class itself; what it says is believed."""

ERROR_TYPE_ATTRIBUTE = "error.type"
"""OpenTelemetry's name of an error, where no exception was recorded."""
READ_ATTRIBUTES = frozenset({CLASS_ATTRIBUTE, ERROR_TYPE_ATTRIBUTE})
"""Attributes of a failing span from which its coordinate is made."""

MAX_ERROR_CODE = 300

_RESOURCE = re.compile(
    r"pool|exhaust|too[ _]?many|connection is not available|no free|rejected|queue.?full|out ?of ?memory"
    r"|\boom\b|memoryerror|semaphore|bulkhead|limit exceeded|no space|quota|disk ?full|throttl",
    re.IGNORECASE,
)
_UNREACHED = re.compile(
    r"connection ?(?:refused|reset|aborted|closed|lost|terminated|error)|connect(?:error|exception)"
    r"|econn(?:refused|reset|aborted)|etimedout|broken ?pipe|time(?:d )?[ -]?out|deadline.?exceeded"
    r"|unreachable|unavailable|unknown ?host|no route to host|name or service not known|gaierror|getaddrinfo"
    r"|eai_again|refused|socket(?:error|exception)|remoteprotocolerror|serverdisconnected|operationalerror"
    r"|interfaceerror|cannot ?connect|transport ?error",
    re.IGNORECASE,
)
_ANSWERED = re.compile(
    r"integrityerror|programmingerror|dataerror|notsupportederror|uniqueviolation|httpstatuserror|httperror|badresponse"
    r"|responseerror|invalidresponse|unexpectedresponse|unexpectedstatus|resterror|feignexception"
    r"|http(?:client|server)errorexception|decod(?:e|ing)error",
    re.IGNORECASE,
)
_VOLATILE = re.compile(
    r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{5,}|(?<=[:@$])\d+",
    re.IGNORECASE,
)


class Manner(StrEnum):
    """How a call went wrong, in the words that people use; finer than the class, and no part of a
    coordinate.
    """

    REFUSED = "refused"
    UNKNOWN = "unknown"
    """the callee's address could not be found"""
    TIMEOUT = "timeout"
    EXHAUSTED = "exhausted"
    ANSWERED = "answered"
    """the callee answered, and its answer was a failure"""
    OTHER = "other"


_MANNERS = (
    (Manner.EXHAUSTED, _RESOURCE),
    (Manner.UNKNOWN, re.compile(r"unknown ?host|gaierror|getaddrinfo|name or service not known", re.IGNORECASE)),
    (
        Manner.REFUSED,
        re.compile(r"refused|connect(?:error|exception)|connection ?(?:reset|aborted|closed)", re.IGNORECASE),
    ),
    (Manner.TIMEOUT, re.compile(r"time(?:d )?[ -]?out|deadline", re.IGNORECASE)),
    (Manner.ANSWERED, _ANSWERED),
)


def manner(error: str, message: str = "") -> Manner:
    """How a call failed, by the type of its exception and, where that leaves it open, by the message."""
    for told in (error, message):
        for kind, pattern in _MANNERS:
            if told and pattern.search(told):
                return kind
    return Manner.OTHER


def is_resource(text: str) -> bool:
    """Whether an exception's type or message says that something limited ran out."""
    return _RESOURCE.search(text) is not None


def _told(span: SpanFacts) -> str:
    exception = span.exception
    if exception:
        return f"{exception.type} {exception.message}"
    return span.attributes.get(ERROR_TYPE_ATTRIBUTE, "")


def classify(span: SpanFacts) -> ExceptionClass:
    """The class of a failing span, seen from the service that recorded it.

    A failed call is a dependency exception unless the callee answered (then a result exception); the
    service's own span is internal unless its exception says that it ran out of something, or could not reach
    somebody. A span that did not fail is only ever classified because it took too long.
    """
    stated = span.attributes.get(CLASS_ATTRIBUTE, "")
    if stated in _CLASSES:
        return ExceptionClass(stated)
    if span.result_error:
        return ExceptionClass.RESULT
    if not span.failed and span.http_code < 400:
        return ExceptionClass.SLOW
    told = _told(span)
    if is_resource(told):
        return ExceptionClass.RESOURCE
    if span.kind in _CALLS:
        answered = span.http_code >= 400 or (_ANSWERED.search(told) is not None)
        return ExceptionClass.RESULT if answered else ExceptionClass.DEPENDENCY
    if _ANSWERED.search(told):
        return ExceptionClass.RESULT
    if _UNREACHED.search(told) or (not told and span.http_code in (502, 504)):
        return ExceptionClass.DEPENDENCY
    return ExceptionClass.INTERNAL


def error_code(span: SpanFacts) -> str:
    """The business code where there is one, else the exception's type or `error.type`, else `http 503`, else
    `error`.

    Addresses, UUIDs and long numbers that some languages put into type names are replaced by `*`.
    """
    if span.business_code:
        return span.business_code[:MAX_ERROR_CODE]
    if span.exception and span.exception.type:
        return _VOLATILE.sub("*", span.exception.type)[:MAX_ERROR_CODE]
    named = span.attributes.get(ERROR_TYPE_ATTRIBUTE, "")
    if named and not named.isdigit() and named != "_OTHER":
        return _VOLATILE.sub("*", named)[:MAX_ERROR_CODE]
    if span.http_code >= 400:
        return f"http {span.http_code}"
    return "error"


@dataclass(frozen=True, slots=True)
class NodeException:
    """An exception coordinate: inside the system with code `system`, this class and code, towards this
    peer.
    """

    system: str
    exception_class: ExceptionClass
    error_code: str
    peer: str = ""

    def __str__(self) -> str:
        return encode(self.system, self.exception_class, self.error_code, self.peer)

    @property
    def code(self) -> str:
        """The short code, 16 characters."""
        return short_code(str(self))


def of_span(system_code: str, span: SpanFacts) -> NodeException:
    """The coordinate of a failing span inside the system with `system_code`; the peer counts only for
    calls.
    """
    return NodeException(system_code, classify(span), error_code(span), span.peer if span.kind in _CALLS else "")


def encode(system_code: str, exception_class: str, error: str, peer: str = "") -> str:
    """The canonical text: `<system code>!dependency:ConnectionRefusedError>orders-db`."""
    canonical = f"{escape(system_code)}!{ExceptionClass(exception_class)}:{escape(error)}"
    return f"{canonical}>{escape(peer)}" if peer else canonical


def decode(text: str) -> NodeException:
    """Read a canonical text; raises `CoordinateError`."""
    system_code, bang, rest = text.partition("!")
    class_name, colon, error = rest.partition(":")
    if not bang or not colon or class_name not in _CLASSES:
        raise CoordinateError(f"{text!r} is not an exception coordinate")
    error, arrow, peer = error.partition(">")
    if arrow and not peer:
        raise CoordinateError(f"{text!r} is not an exception coordinate: no peer after >")
    return NodeException(unescape(system_code), ExceptionClass(class_name), unescape(error), unescape(peer))


def code(system_code: str, exception_class: str, error: str, peer: str = "") -> str:
    """The short code of an exception coordinate."""
    return short_code(encode(system_code, exception_class, error, peer))
