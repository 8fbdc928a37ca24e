"""The design system's own page: every part in every state."""

from __future__ import annotations

from datetime import timedelta
from math import sin

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from hemostat.base import clock, svg
from hemostat.base.svg import Curve, Mark, Point
from hemostat.desk.rules.now import Day
from hemostat.people.access import requires
from hemostat.people.rules import Permission

TOKENS = (
    "bg", "surface", "fill", "fill-2", "line", "line-2", "line-control", "text", "text-2", "text-3",
    "accent", "accent-hover", "accent-tint", "ok", "ok-tint", "warn", "warn-tint",
    "p0", "p0-tint", "p1", "p1-tint", "p2", "p2-tint", "p3", "p3-tint", "p4", "p4-tint",
)  # fmt: skip


def _curves() -> dict[str, object]:
    """A failing and a recovered KPI, drawn as on an incident."""
    now = clock.now()
    at = [now - timedelta(seconds=10 * (60 - n)) for n in range(61)]
    healthy = [0.999 - 0.002 * abs(sin(n)) for n in range(61)]
    failing = [
        h if n < 38 else max(0.12, 0.12 + 0.87 * (42 - n) / 4) if n < 42 else 0.12 + 0.01 * sin(n)
        for n, h in enumerate(healthy)
    ]
    back = [
        h if n < 12 or n > 48 else 0.13 + 0.01 * sin(n) if n < 40 else 0.13 + 0.86 * (n - 40) / 8
        for n, h in enumerate(healthy)
    ]

    def minute(n: int) -> tuple[object, str]:
        return at[n], timezone.localtime(at[n]).strftime("%H:%M")

    def draw(shares: list[float], marks: list[Mark], good: bool, label: str, goal: float | None) -> object:
        return svg.curve(
            Curve(
                points=[Point(a, s) for a, s in zip(at, shares, strict=True)],
                twin=_("Payment success: a drawing to look at"),
                marks=marks,
                goal=goal,
                good=good,
                last_label=label,
                time_labels=[minute(0), minute(38 if not good else 12), minute(60)],  # type: ignore[list-item]
            )
        )

    return {
        "failing": draw(failing, [Mark(at[20], "change", "orders 2.41"), Mark(at[38], "onset")], False, "12 %", None),
        "back": draw(back, [Mark(at[12], "onset"), Mark(at[36], "run", _("plan"))], True, "99.9 %", 0.99),
        "spark": svg.sparkline(healthy[:30]),
        "spark_bad": svg.sparkline(failing[20:50], bad=True),
    }


@requires(Permission.READ)
@require_safe
def design(request: HttpRequest) -> HttpResponse:
    """Every part in every state; follows the reader's theme."""
    now = clock.now()
    days = tuple(Day({20: 1, 43: 2, 70: 0, 85: 3}.get(n)) for n in range(90))
    context = {
        "tokens": TOKENS,
        "curves": _curves(),
        "days": days,
        "now": now,
        "soon": now + timedelta(minutes=11, seconds=20),
        "late": now - timedelta(seconds=80),
        "levels": range(5),
        "icons": ("back", "bell", "cal", "chat", "check", "clock", "copy", "doc", "down", "edit", "eye", "flag", "gear",
                  "help", "key", "layers", "mail", "more", "now", "out", "play", "plus", "right", "server", "shield",
                  "spin", "swap", "tree", "undo", "user", "users", "warn", "x"),
    }  # fmt: skip
    return render(request, "desk/design.html", context)
