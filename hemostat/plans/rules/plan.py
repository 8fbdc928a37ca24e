"""What a plan is: steps with guards, a verification, and what it comes up for; read from TOML or JSON.

One definition serves the file and the stored form, so these are msgspec structs: immutable, typed, and strict
about unknown fields. Everything wrong with a plan is refused here, naming the field, before it is stored.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hemostat.plans.rules import values
from hemostat.plans.rules.states import Verb

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Share = Annotated[float, Meta(gt=0, le=1)]
ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Label = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Method = Annotated[str, Meta(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE)$")]
Status = Annotated[int, Meta(ge=100, le=599)]
EnvName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that HTTP itself calls idempotent (RFC 9110, 9.2.2)."""
NEVER_PASSED = re.compile(r"(HEMOSTAT_.*|DATABASE_URL|PG[A-Z]+)")
"""Variables of the engine that no command ever gets: they hold the database's and the installation's secrets."""


class PlanError(ValueError):
    """A plan cannot be taken as it is; the message names the field."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class HttpCall(_Strict, frozen=True, kw_only=True):
    """A request and what answer counts as success."""

    url: str
    headers: dict[str, str] = {}
    body: dict[str, Any] | None = None
    """Sent as JSON; its strings are templates."""
    expect_status: tuple[Status, ...] = ()
    """Empty: any 2xx."""
    expect_body: str = ""
    """Text that the answer must hold; empty: any."""


class Command(_Strict, frozen=True, kw_only=True):
    """A program and its arguments; never a shell string."""

    argv: Annotated[tuple[str, ...], Meta(min_length=1, max_length=200)]
    cwd: str = ""
    """Empty: an empty folder made for the step."""
    env: dict[EnvName, str] = {}
    """Variables to set; templates, and the place for secrets."""
    pass_env: tuple[EnvName, ...] = ()
    """Variables taken over from the engine, besides PATH, HOME, LANG and TZ."""
    runner: Label = "default"
    """Which engines may run it: those started with `--runner LABEL`."""


class HttpGuard(HttpCall, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """Only if a request is answered as expected."""

    name: ShortText
    method: Annotated[str, Meta(pattern=r"^(GET|HEAD)$")] = "GET"
    timeout_s: Seconds = 5


class CommandGuard(Command, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """Only if a command ends with exit status 0."""

    name: ShortText
    timeout_s: Seconds = 10


class KpiGuard(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="kpi_still_bad"):
    """Only if the KPI that showed the failure is still below the goal."""

    name: ShortText = "The KPI is still bad"


class CauseGuard(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="cause_still_there"):
    """Only if the newest diagnosis of the incident still names the service that the plan was chosen for."""

    name: ShortText = "The cause is still there"


Guard = HttpGuard | CommandGuard | KpiGuard | CauseGuard


class HttpStep(HttpCall, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """A request that changes something."""

    name: ShortText
    method: Method = "POST"
    timeout_s: Seconds = 30
    idempotent: bool | None = None
    """Whether doing it twice does no harm; not said: as HTTP says of the method."""
    undo: str = ""
    guards: tuple[Guard, ...] = ()

    @property
    def kind(self) -> str:
        """`http`."""
        return "http"

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice does no harm."""
        return self.method in REPEATABLE_METHODS if self.idempotent is None else self.idempotent


class CommandStep(Command, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A program that changes something."""

    name: ShortText
    timeout_s: Seconds = 60
    idempotent: bool = False
    """Whether running it twice does no harm."""
    undo: str = ""
    guards: tuple[Guard, ...] = ()

    @property
    def kind(self) -> str:
        """`command`."""
        return "command"

    @property
    def repeatable(self) -> bool:
        """Whether running it twice does no harm."""
        return self.idempotent


Step = HttpStep | CommandStep


class Verification(_Strict, frozen=True, kw_only=True):
    """When the plan has helped: the KPI that showed the failure must be back."""

    window_s: Annotated[float, Meta(ge=10, le=3600)] = 120
    """How long it is watched after the steps, seconds."""
    goal: Share | None = None
    """Share of good requests to reach; not said: the baseline before the failure less `tolerance`."""
    tolerance: Annotated[float, Meta(ge=0, le=0.5)] = 0.01
    min_requests: Annotated[int, Meta(ge=1)] = 20
    """How many requests the last part of the window must have seen; with fewer nothing can be told."""


class Association(_Strict, frozen=True, kw_only=True):
    """A cause that the plan comes up for: patterns with `*`, or one exact coordinate."""

    app_id: Annotated[str, Meta(min_length=1, max_length=200)] = "*"
    """The service that fails, or the dependency that does not answer."""
    operation: Annotated[str, Meta(min_length=1, max_length=300)] = "*"
    exception_class: Annotated[str, Meta(min_length=1, max_length=20)] = "*"
    error: Annotated[str, Meta(min_length=1, max_length=300)] = "*"
    coordinate: Annotated[str, Meta(max_length=80)] = ""


class PlanFile(_Strict, frozen=True, kw_only=True):
    """A whole plan as people write it."""

    slug: Slug
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    verb: Verb
    description: str = ""
    touches: Annotated[str, Meta(max_length=200)] = ""
    undo: Annotated[str, Meta(max_length=200)] = ""
    about_s: Annotated[int, Meta(ge=1, le=86400)] = 60
    values: dict[str, str] = {}
    """Values of the plan's own; those of the incident with the same name come first."""
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=50)]
    verification: Verification = Verification()
    comes_up_for: Annotated[tuple[Association, ...], Meta(max_length=100)] = ()
    enabled: bool = True


def runner_of(step: Step) -> str:
    """The label of the engines that can do `step`; "" for any."""
    labels = [guard.runner for guard in step.guards if isinstance(guard, CommandGuard)]
    return step.runner if isinstance(step, CommandStep) else (labels[0] if labels else "")


def templates_of(call: Step | Guard) -> Iterator[tuple[str, str]]:
    """Each template of a step or guard, with the name of its field."""
    if isinstance(call, HttpStep | HttpGuard):
        yield "url", call.url
        yield from ((f"headers.{name}", text) for name, text in call.headers.items())
        yield from (("body", text) for text in values.templates_in(call.body))
    elif isinstance(call, CommandStep | CommandGuard):
        yield from ((f"argv[{at}]", text) for at, text in enumerate(call.argv))
        yield from ((f"env.{name}", text) for name, text in call.env.items())


def needed(steps: tuple[Step, ...]) -> tuple[set[str], set[str]]:
    """The names of all values and of all secrets that the steps and their guards need."""
    texts = [text for step in steps for call in (step, *step.guards) for _, text in templates_of(call)]
    return (
        set().union(*(values.names(text) for text in texts)),
        set().union(*(values.secret_names(text) for text in texts)),
    )


def _check_call(call: Step | Guard, at: str, known: set[str]) -> None:
    for field, template in templates_of(call):
        where = f"{at}.{field}"
        try:
            asked = values.names(template)
            if field == "url":
                values.split_url(template)
        except values.TemplateError as error:
            raise PlanError(f"{where}: {error}") from error
        if unknown := sorted(asked - known):
            raise PlanError(
                f"{where}: {{{unknown[0]}}} is nothing an incident knows ({', '.join(values.FROM_INCIDENT)}); "
                "give it in `values`, or double the braces"
            )
        if field == "argv[0]" and (asked or values.secret_names(template)):
            raise PlanError(f"{where}: the program itself cannot come from a value")
        if field.startswith("argv") and values.secret_names(template):
            raise PlanError(f"{where}: arguments can be read by every user of the machine: put the secret in `env`")
    if isinstance(call, CommandStep | CommandGuard):
        if not call.argv[0].strip():
            raise PlanError(f"{at}.argv[0]: names no program")
        for name in (*call.pass_env, *call.env):
            if NEVER_PASSED.fullmatch(name):
                raise PlanError(f"{at}.env: {name} is never passed to a command")


def check(plan: PlanFile) -> None:
    """What types alone cannot say; raises `PlanError` naming the field."""
    for name in plan.values:
        if not values.NAME.fullmatch(name):
            raise PlanError(f"values.{name}: wanted lower-case letters, digits and _")
    known = {*values.FROM_INCIDENT, *plan.values}
    for number, step in enumerate(plan.steps):
        at = f"steps[{number}]"
        _check_call(step, at, known)
        for guard_number, guard in enumerate(step.guards):
            _check_call(guard, f"{at}.guards[{guard_number}]", known)
            if isinstance(guard, CommandGuard) and guard.runner != runner_of(step):
                raise PlanError(f"{at}.guards[{guard_number}].runner: wanted {runner_of(step)}, as the step's")


_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]+)`")
_PATH = re.compile(r" - at `(?P<path>[^`]+)`$")


def explain(error: msgspec.ValidationError) -> str:
    """msgspec's message, with the field first: `steps[1].argv: missing`."""
    text = str(error)
    path = ""
    if found := _PATH.search(text):
        path, text = found["path"].removeprefix("$").lstrip("."), text[: found.start()]
    for pattern, says in ((_MISSING, "missing"), (_UNKNOWN, "no such field")):
        if match := pattern.search(text):
            return ".".join(filter(None, (path, match["field"]))) + f": {says}"
    return f"{path or 'the plan'}: {text[:1].lower()}{text[1:]}"


def from_data(data: Mapping[str, Any]) -> PlanFile:
    """A plan from decoded TOML or JSON; raises `PlanError` naming the field."""
    try:
        plan = msgspec.convert(data, PlanFile)
    except msgspec.ValidationError as error:
        raise PlanError(explain(error)) from error
    check(plan)
    return plan


def load(text: str, *, file_name: str = "") -> PlanFile:
    """A plan from the text of a file, JSON when its name ends so, else TOML; raises `PlanError`."""
    try:
        data = json.loads(text) if file_name.endswith(".json") else tomllib.loads(text)
    except ValueError as error:
        raise PlanError(f"{file_name or 'the plan'}: {error}") from error
    if not isinstance(data, dict):
        raise PlanError(f"{file_name or 'the plan'}: wanted an object with slug, name, verb and steps")
    return from_data(data)


def steps_from_json(data: Any) -> tuple[Step, ...]:
    """The stored steps."""
    return msgspec.convert(data, tuple[Step, ...])


def verification_from_json(data: Any) -> Verification:
    """The stored verification."""
    return msgspec.convert(data, Verification)


def as_json(value: Any) -> Any:
    """The form in which structs are stored."""
    return msgspec.to_builtins(value)
