"""The settings page tells of every setting there is, and of none that is not."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hemostat.site.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `HEMOSTAT_([A-Z_]+)` \| `([^`]*)` \|", PAGE.read_text(), re.MULTILINE))
    fields = {f.name.upper(): f.default for f in msgspec.structs.fields(Config) if f.default is not msgspec.NODEFAULT}
    lists = {f.name.upper(): "" for f in msgspec.structs.fields(Config) if f.default is msgspec.NODEFAULT}
    expected = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in fields.items()}
    assert rows == expected | lists
