"""Filling a plan's templates with what the incident is about, so that no value can become more than a value.

A template is text with `{name}` for a value of the incident or of the plan, `{secret:NAME}` for a secret, and
`{{` `}}` for braces. There is nothing else: no attributes, indexes or formats. Each place has its own rule:

- one argument of a command stays one argument; a value never starts with `-` where the argument starts with it,
- in a URL a value is quoted, and cannot be `.` or `..`; as host it must be a host name, and the scheme is fixed,
- in a header a value holds no line break,
- in a body values stand inside strings of a structure that is encoded as JSON afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

FROM_INCIDENT = (
    "service",
    "service_name",
    "peer",
    "operation",
    "error",
    "version",
    "previous_version",
    "instance",
    "environment",
    "incident",
)
"""What the incident and its first matching cause can give."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_TOKEN = re.compile(r"\{\{|\}\}|\{secret:(?P<secret>[A-Z][A-Z0-9_]{0,39})\}|\{(?P<name>[a-z][a-z0-9_]{0,39})\}|[{}]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TemplateError(ValueError):
    """A template is not well formed, or asks for something where it may not stand."""


class MissingValueError(ValueError):
    """The incident has no value for a name that the plan needs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{{{name}}} is not known for this incident")
        self.name = name


class ValueRefusedError(ValueError):
    """A value may not stand where the template puts it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{{{name}}}: {why}")
        self.name = name
        self.why = why


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: plain text, a value's name or a secret's name."""

    text: str = ""
    name: str = ""
    secret: str = ""


def parts(template: str) -> list[Part]:
    """Take a template apart; raises `TemplateError` for a brace that is neither doubled nor around a name."""
    found: list[Part] = []
    end = 0
    for token in _TOKEN.finditer(template):
        if token.start() > end:
            found.append(Part(text=template[end : token.start()]))
        end = token.end()
        whole = token.group()
        if whole in ("{{", "}}"):
            found.append(Part(text=whole[0]))
        elif token["secret"]:
            found.append(Part(secret=token["secret"]))
        elif token["name"]:
            found.append(Part(name=token["name"]))
        else:
            raise TemplateError(f"a lone {whole} at character {token.start() + 1}: double it, or write {{name}}")
    if end < len(template):
        found.append(Part(text=template[end:]))
    return found


def names(template: str) -> set[str]:
    """The values that a template needs."""
    return {p.name for p in parts(template) if p.name}


def secret_names(template: str) -> set[str]:
    """The secrets that a template needs."""
    return {p.secret for p in parts(template) if p.secret}


@dataclass(frozen=True, slots=True)
class Filling:
    """The values and secrets that templates are filled with."""

    values: Mapping[str, str]
    secrets: Mapping[str, str]

    def value(self, name: str) -> str:
        """The value of `name`; raises `MissingValueError` when there is none, or it is empty."""
        if not (value := self.values.get(name, "")):
            raise MissingValueError(name)
        return value

    def secret(self, name: str) -> str:
        """The secret `name`; raises `MissingValueError`."""
        if name not in self.secrets:
            raise MissingValueError(f"secret:{name}")
        return self.secrets[name]


def _fill(template: str, filling: Filling, guard: Callable[[str, str, bool], str]) -> str:
    written: list[str] = []
    for part in parts(template):
        if part.name:
            written.append(guard(part.name, filling.value(part.name), not "".join(written)))
        elif part.secret:
            written.append(filling.secret(part.secret))
        else:
            written.append(part.text)
    return "".join(written)


def _plain(name: str, value: str, at_start: bool) -> str:  # noqa: ARG001 - one signature for all places
    if _CONTROL.search(value):
        raise ValueRefusedError(name, "holds a line break or another control character")
    return value


def _argument(name: str, value: str, at_start: bool) -> str:
    if at_start and value.startswith("-"):
        raise ValueRefusedError(name, "starts with “-” and would be read as an option")
    return _plain(name, value, at_start)


def _in_url(name: str, value: str, at_start: bool) -> str:
    if value in (".", ".."):
        raise ValueRefusedError(name, "would change the path of the URL")
    return quote(_plain(name, value, at_start), safe="")


def _as_host(name: str, value: str, at_start: bool) -> str:  # noqa: ARG001 - one signature for all places
    if not _HOST.fullmatch(value):
        raise ValueRefusedError(name, "is no host name")
    return value


def fill_argument(template: str, filling: Filling) -> str:
    """One argument of a command (or one value of its environment); it stays one, whatever the values hold."""
    return _fill(template, filling, _argument)


def fill_header(template: str, filling: Filling) -> str:
    """The value of an HTTP header."""
    return _fill(template, filling, _plain)


def split_url(template: str) -> tuple[str, str, str]:
    """Scheme, host part and the rest of a URL template; raises `TemplateError` unless it is http(s) and fixed."""
    scheme, separator, rest = template.partition("://")
    if not separator or scheme not in ("http", "https"):
        raise TemplateError("wanted http://… or https://…")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not host or "@" in host:
        raise TemplateError("wanted a host name and no user in the URL: put credentials in headers")
    if any(part.secret for part in parts(template)):
        raise TemplateError("a secret in a URL is written to many logs: put it in headers")
    return scheme, host, rest[len(host) :]


def fill_url(template: str, filling: Filling) -> str:
    """A URL; values are quoted, except as host, where only a host name may stand."""
    scheme, host, rest = split_url(template)
    return f"{scheme}://{_fill(host, filling, _as_host)}{_fill(rest, filling, _in_url)}"


def fill_label(template: str, given: Mapping[str, str]) -> str:
    """A name for people to read: what is known is filled in, anything else stays as it is written."""
    return _TOKEN.sub(lambda token: given.get(token["name"] or "", "") or token.group(), template)


def fill_json(body: Any, filling: Filling) -> Any:
    """A structure whose strings are templates; keys, numbers and booleans stay as they are."""
    if isinstance(body, str):
        return _fill(body, filling, lambda _name, value, _at_start: value)
    if isinstance(body, Mapping):
        return {key: fill_json(item, filling) for key, item in body.items()}
    if isinstance(body, list | tuple):
        return [fill_json(item, filling) for item in body]
    return body


def templates_in(body: Any) -> list[str]:
    """All strings of a structure."""
    if isinstance(body, str):
        return [body]
    if isinstance(body, Mapping):
        return [text for item in body.values() for text in templates_in(item)]
    if isinstance(body, list | tuple):
        return [text for item in body for text in templates_in(item)]
    return []
