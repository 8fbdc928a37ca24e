"""The rules. Each takes a parsed module and yields what breaks it; the folders it holds for stand beside it.

A line may be excused by a comment that names the rule and gives the reason: `# house: writes - why`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

Check = Callable[[ast.Module], Iterator[tuple[int, str]]]

EXCUSE = re.compile(r"#\s*house:\s*(?P<rule>[a-z]+)\s*-\s*\S")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name (for excuses), whom it holds for, and the check."""

    name: str
    holds_for: Callable[[PurePosixPath], bool]
    check: Check


@dataclass(frozen=True, slots=True)
class Finding:
    """A line that breaks a rule."""

    path: PurePosixPath
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def find(path: PurePosixPath, source: str) -> list[Finding]:
    """What breaks a rule in `source`, the module at `path` (from the root of the checkout)."""
    tree = ast.parse(source)
    lines = source.splitlines()
    found = []
    for rule in RULES:
        if not rule.holds_for(path):
            continue
        for line, message in rule.check(tree):
            excuse = EXCUSE.search(lines[line - 1])
            if not (excuse and excuse["rule"] == rule.name):
                found.append(Finding(path, line, rule.name, message))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


# --- writes: through the ORM only in actions.py ---

DUE_ROWS = PurePosixPath("hemostat/base/due.py")
"""The helper that actions and chores share."""

ALWAYS_WRITES = {"bulk_create", "bulk_update", "get_or_create", "update_or_create", "save",
                 "acreate", "aupdate", "adelete", "asave", "abulk_create"}  # fmt: skip
WRITES_ON_QUERIES = {"create", "update", "delete", "add", "set", "remove", "clear"}
QUERY_WORDS = {"objects", "_default_manager", "_base_manager", "filter", "exclude", "all", "select_for_update"}


def _writes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for call in _calls(tree):
        if not isinstance(call.func, ast.Attribute):
            continue
        name = call.func.attr
        bare_delete = name == "delete" and not call.args and not call.keywords
        if (
            name in ALWAYS_WRITES
            or bare_delete
            or (name in WRITES_ON_QUERIES and QUERY_WORDS & set(_chain(call.func.value)))
        ):
            yield call.lineno, f".{name}() writes; only a room's actions.py does that"


def _may_not_write(path: PurePosixPath) -> bool:
    written_by_actions = path.name in {"actions.py", "store.py"} or "actions" in path.parts or path == DUE_ROWS
    return _product(path) and not written_by_actions


# --- time: only from base/clock.py ---

WALL_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "timezone.now", "time.time", "time.time_ns",
    "time.localtime", "time.gmtime",
}  # fmt: skip
STOPWATCHES = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}


def _time(clocks: set[str]) -> Check:
    def check(tree: ast.Module) -> Iterator[tuple[int, str]]:
        names = _imported_names(tree)
        for node in ast.walk(tree):
            # Named, not only called: `default=timezone.now` reads the clock too.
            if isinstance(node, ast.Attribute | ast.Name):
                dotted = ".".join(reversed(list(_chain(node))))
                first, _, rest = dotted.partition(".")
                full = f"{names.get(first, first)}{'.' if rest else ''}{rest}"
                if any(full == clock or full.endswith(f".{clock}") for clock in clocks):
                    yield node.lineno, f"{full} reads a clock; only hemostat.base.clock does that"

    return check


# --- sql: never built from strings ---

RUNS_SQL = {"execute", "executemany", "raw", "RawSQL", "RunSQL", "copy", "extra"}


def _sql(tree: ast.Module) -> Iterator[tuple[int, str]]:
    built = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_built(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name not in RUNS_SQL or not call.args:
            continue
        statement = call.args[0]
        if _is_built(statement) or (isinstance(statement, ast.Name) and statement.id in built):
            yield call.lineno, f"{name}() gets SQL built from strings; pass parameters, or compose with psycopg.sql"


def _is_built(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}:
        return _is_text(node.func.value)
    return False


def _is_text(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)) or _is_built(node)


# --- hidden: no work behind the reader's back ---

SIGNALS = ("django.dispatch", "django.db.models.signals", "django.core.signals", "django.contrib.auth.signals")


def _hidden(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith(SIGNALS)) or (
            isinstance(node, ast.Import) and any(alias.name.startswith(SIGNALS) for alias in node.names)
        ):
            yield node.lineno, "signals hide what follows from what; say it in site/flow.py"
        elif isinstance(node, ast.ClassDef) and any(_is_model(base) for base in node.bases):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name in {"save", "delete"}:
                    yield member.lineno, f"{member.name}() of a model hides work; put it into an action"


def _is_model(base: ast.expr) -> bool:
    return ".".join(reversed(list(_chain(base)))) in {"models.Model", "Model", "DueRow", "AbstractBaseUser"}


# --- ready: at start-up only the site joins the rooms ---


def _ready(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name == "ready" and _is_config(node):
                    yield member.lineno, "ready() of an app does work at import; only site/apps.py joins rooms"


def _is_config(node: ast.ClassDef) -> bool:
    return any("AppConfig" in _chain(base) for base in node.bases)


# --- helpers ---


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _chain(node: ast.expr) -> Iterator[str]:
    """The names of a chain of attributes and calls, from its end: `A.objects.filter(x)` → filter, objects, A."""
    while True:
        if isinstance(node, ast.Attribute):
            yield node.attr
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            if isinstance(node, ast.Name):
                yield node.id
            return


def _imported_names(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return names


def _product(path: PurePosixPath) -> bool:
    return path.parts[0] == "hemostat" and "migrations" not in path.parts


def _room(path: PurePosixPath) -> str:
    return path.parts[1] if len(path.parts) > 1 else ""


CLOCK_ITSELF = PurePosixPath("hemostat/base/clock.py")

RULES: tuple[Rule, ...] = (
    Rule("writes", _may_not_write, _writes),
    Rule("time", lambda path: _product(path) and path != CLOCK_ITSELF, _time(WALL_CLOCKS)),
    # The site waits for processes and ports: real seconds, which no test's clock may hold up.
    Rule("time", lambda path: _product(path) and path != CLOCK_ITSELF and _room(path) != "site", _time(STOPWATCHES)),
    Rule("sql", _product, _sql),
    Rule("hidden", _product, _hidden),
    Rule("ready", lambda path: _product(path) and _room(path) != "site", _ready),
)
