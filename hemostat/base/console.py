"""What commands print: people get tables and sentences, programs get JSON. And the errors that end a command.

Every room's `cli.py` uses this, and nothing else, for its output.
"""

from __future__ import annotations

import dataclasses
import json as json_module
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

from hemostat.base.failures import (
    Exit,
    HemostatError,
    InUseError,
    NotAllowedError,
    NotFoundError,
    StorageError,
    UnreachableError,
    UsageError,
    VersionError,
)
from hemostat.base.refusals import RefusedError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
"""The option that every command has: `def list(json: Json = False) -> None`."""

Table = Sequence[tuple[str, Callable[[Any], object]]]
"""Columns: heading, and what of a row stands there."""


def emit(data: Any, *, json: bool, table: Table | None = None, text: str | None = None) -> None:
    """Print `data` (dataclasses, mappings, sequences of them, plain values).

    As JSON when asked; else `text`, or a table of its rows, or the value itself.
    """
    if json:
        sys.stdout.write(json_module.dumps(data, default=_plain, indent=2, ensure_ascii=False) + "\n")
    elif text is not None:
        sys.stdout.write(text + "\n")
    elif table is not None:
        sys.stdout.writelines(line + "\n" for line in _lines(data, table))
    else:
        sys.stdout.write(f"{data}\n")


def _lines(rows: Iterable[Any], table: Table) -> list[str]:
    cells = [[heading for heading, _ in table], *([_cell(value(row)) for _, value in table] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value.value if isinstance(value, Enum) else value)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


__all__ = [
    "Exit",
    "HemostatError",
    "InUseError",
    "Json",
    "NotAllowedError",
    "NotFoundError",
    "RefusedError",
    "StorageError",
    "Table",
    "UnreachableError",
    "UsageError",
    "VersionError",
    "emit",
]
