"""Sentences as data: events, reasons and explanations store a code and parameters, never text.

Each room registers the sentences of its codes; `render` writes one in the reader's language. Parameters are
formatted by the template: `{before:pct}`, `{now:fig}`, `{for_s:dur}`, `{users:count}`, `{at:time}`, `{name}`. A
parameter may be a stored text itself (`Text.as_json`); it is rendered in place.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence not yet written: its code and what goes into it (JSON-safe values)."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form that is stored."""
        return {"code": self.code, "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Text:
        """Read the stored form."""
        return cls(code=data["code"], params=data.get("params", {}))


_templates: dict[str, str | Promise] = {}


def register(templates: Mapping[str, str | Promise]) -> None:
    """Add a room's sentences (values from `gettext_lazy`); a code registered twice is an error."""
    for code, template in templates.items():
        if _templates.get(code, template) is not template:
            raise ValueError(f"the text {code} is registered twice")
        _templates[code] = template


def registered() -> frozenset[str]:
    """All codes known."""
    return frozenset(_templates)


def percent(value: float) -> str:
    """0.999 → `99.9 %`: one digit where it matters, none where it is round; no-break space; never 100 by rounding."""
    scaled = value * 100
    text = f"{scaled:.1f}"
    if text == "100.0" and scaled < 100:
        text = "99.9"
    return text.removesuffix(".0") + NBSP + "%"


def figure(share: float) -> str:
    """A share as a headline says it: `99.9 %` where the digit matters, `12 %` below 90."""
    return percent(share if share >= 0.9 else round(share, 2))


def duration(seconds: float) -> str:
    """42 → `42 s`, 180 → `3 min`, 4000 → `1 h 7 min`, 200000 → `2 d 8 h`."""
    whole = round(max(0.0, seconds))
    if whole < 100:
        return _("%(n)s s") % {"n": whole}
    if whole < 5400:
        return _("%(n)s min") % {"n": round(whole / 60)}
    if whole < 172800:
        return _("%(h)s h %(m)s min") % {"h": whole // 3600, "m": whole % 3600 // 60}
    return _("%(d)s d %(h)s h") % {"d": whole // 86400, "h": whole % 86400 // 3600}


def clock_span(seconds: float) -> str:
    """680 → `11:20`, 4000 → `1:06:40`: for clocks that run."""
    whole = int(abs(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def count(value: float) -> str:
    """8400 → `8,400`."""
    return f"{round(value):,}"


class _Formatter(string.Formatter):
    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        return kwargs.get(key, "?") if isinstance(key, str) else super().get_value(key, args, kwargs)

    def format_field(self, value: Any, spec: str) -> str:
        if value == "?" or value is None:
            return "?"
        if isinstance(value, Mapping) and "code" in value:
            return render(Text.from_json(value))
        match spec:
            case "pct":
                return percent(float(value))
            case "fig":
                return figure(float(value))
            case "dur":
                return duration(float(value))
            case "count":
                return count(float(value))
            case "time":
                at = datetime.fromisoformat(value) if isinstance(value, str) else value
                return timezone.localtime(at).strftime("%H:%M:%S")
        return str(super().format_field(value, spec))


_formatter = _Formatter()


def render(text: Text) -> str:
    """Write `text` in the active language; an unknown code is shown with its parameters rather than hidden."""
    template = _templates.get(text.code)
    if template is None:
        return f"{text.code} {dict(text.params)}"
    return _formatter.vformat(str(template), (), dict(text.params))
