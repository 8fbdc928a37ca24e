"""Steps made ready: every template filled, nothing left to decide for the executor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hemostat.plans.rules import values
from hemostat.plans.rules.plan import Command, CommandGuard, HttpCall, HttpGuard, HttpStep, Step
from hemostat.plans.rules.values import Filling


@dataclass(frozen=True)
class PreparedHttp:
    """A request ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    expect_status: tuple[int, ...]
    expect_body: str
    timeout_s: float


@dataclass(frozen=True)
class PreparedCommand:
    """A program ready to be started."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    pass_env: tuple[str, ...]
    timeout_s: float


Prepared = PreparedHttp | PreparedCommand


def _http(call: HttpCall, method: str, timeout_s: float, filling: Filling) -> PreparedHttp:
    headers = {name: values.fill_header(text, filling) for name, text in call.headers.items()}
    content = None
    if call.body is not None:
        content = json.dumps(values.fill_json(call.body, filling)).encode()
        headers.setdefault("content-type", "application/json")
    return PreparedHttp(
        method=method,
        url=values.fill_url(call.url, filling),
        headers=headers,
        content=content,
        expect_status=call.expect_status,
        expect_body=call.expect_body,
        timeout_s=timeout_s,
    )


def _command(call: Command, timeout_s: float, filling: Filling) -> PreparedCommand:
    return PreparedCommand(
        argv=tuple(values.fill_argument(text, filling) for text in call.argv),
        cwd=call.cwd,
        env={name: values.fill_argument(text, filling) for name, text in call.env.items()},
        pass_env=call.pass_env,
        timeout_s=timeout_s,
    )


def prepare(call: Step | HttpGuard | CommandGuard, filling: Filling) -> Prepared:
    """Fill all templates of a step or guard; raises `MissingValueError` or `ValueRefusedError`."""
    if isinstance(call, HttpStep | HttpGuard):
        return _http(call, call.method, call.timeout_s, filling)
    return _command(call, call.timeout_s, filling)


def prepare_all(steps: tuple[Step, ...], filling: Filling) -> None:
    """Fill everything once without doing any of it: a value that cannot stand is found before the first step."""
    for step in steps:
        prepare(step, filling)
        for guard in step.guards:
            if isinstance(guard, HttpGuard | CommandGuard):
                prepare(guard, filling)


def preview(call: Step | HttpGuard | CommandGuard, filling: Filling) -> str:
    """One line of what would be done, for people to read; secrets as dots."""
    hidden = Filling(filling.values, dict.fromkeys(filling.secrets, "•••"))
    ready: Any = prepare(call, hidden)
    return f"{ready.method} {ready.url}" if isinstance(ready, PreparedHttp) else " ".join(ready.argv)


def describe(call: Step | HttpGuard | CommandGuard) -> str:
    """One line of what it does, its templates as they are written."""
    return f"{call.method} {call.url}" if isinstance(call, HttpStep | HttpGuard) else " ".join(call.argv)
