"""Pictures drawn on the server: the KPI curve and the sparkline. Pure functions from numbers to SVG text.

Ink comes from classes of the stylesheet, so both themes come for free; nothing here writes a style. Curves are
drawn at the width they are made for (400 units), so that 11 px text stays 11 px. The text twin says the same to
those who do not see the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

WIDTH = 400
LEFT = 2.0
RIGHT = 350.0
"""Where the last value stands; the rest of the width is for its label."""
TOP = 4.0
LABEL_ROOM = 14
"""Height under the curve for the times."""


@dataclass(frozen=True)
class Point:
    """A share (0 to 1) at a moment."""

    at: datetime
    share: float


@dataclass(frozen=True)
class Mark:
    """A moment worth a line: `onset` of the trouble, a `change` before it, or a `run` of a plan."""

    at: datetime
    kind: Literal["onset", "change", "run"]
    label: str = ""


@dataclass(frozen=True)
class Curve:
    """A KPI over time. `marks` get a vertical line with the time below; `goal` is a dashed level."""

    points: Sequence[Point]
    twin: str
    """what the drawing says, in words"""
    marks: Sequence[Mark] = ()
    goal: float | None = None
    good: bool = False
    """whether the last value is back where it should be"""
    last_label: str = ""
    time_labels: Sequence[tuple[datetime, str]] = field(default_factory=tuple)
    height: int = 80


def _number(value: float) -> str:
    """One digit behind the point at most: a third of a pixel is not seen, and bytes are."""
    return f"{value:.1f}".removesuffix(".0")


def thin(points: Sequence[Point], most: int = 72) -> list[Point]:
    """At most `most` points: the lowest of each group, so that no dip is lost; first and last are kept."""
    if len(points) <= most:
        return list(points)
    inner = points[1:-1]
    groups = most - 2
    kept = [points[0]]
    for n in range(groups):
        group = inner[n * len(inner) // groups : (n + 1) * len(inner) // groups]
        if group:
            kept.append(min(group, key=lambda p: p.share))
    return [*kept, points[-1]]


class _Frame:
    """Turns moments and shares into places."""

    def __init__(self, curve: Curve, points: Sequence[Point]) -> None:
        moments = [p.at for p in points] + [m.at for m in curve.marks]
        self.begin, self.end = min(moments), max(moments)
        self.bottom = curve.height - LABEL_ROOM

    def x(self, at: datetime) -> float:
        length = (self.end - self.begin).total_seconds()
        if length <= 0:
            return RIGHT
        return LEFT + (RIGHT - LEFT) * (at - self.begin).total_seconds() / length

    def y(self, share: float) -> float:
        return TOP + (self.bottom - TOP) * (1 - min(max(share, 0.0), 1.0))


def _path(frame: _Frame, points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{_number(frame.x(p.at))} {_number(frame.y(p.share))}" for p in points)


def _times(frame: _Frame, labels: Sequence[tuple[datetime, str]]) -> list[str]:
    """The times under the curve; one that would touch its neighbour is left out."""
    drawn: list[str] = []
    last = -100.0
    for at, label in sorted(labels):
        x = frame.x(at)
        middle = min(max(x, 16.0), WIDTH - 16.0)
        if middle - last < 38:
            continue
        last = middle
        y = frame.bottom + LABEL_ROOM - 3
        drawn.append(f'<text x="{_number(middle)}" y="{_number(y)}" text-anchor="middle">{escape(label)}</text>')
    return drawn


def _marks(curve: Curve, frame: _Frame) -> list[str]:
    drawn: list[str] = []
    for mark in curve.marks:
        x = frame.x(mark.at)
        if mark.kind == "run":
            band = (_number(x), _number(TOP), _number(max(RIGHT - x, 0)), _number(frame.bottom - TOP))
            drawn.insert(0, '<rect class="band" x="{}" y="{}" width="{}" height="{}"/>'.format(*band))
        drawn.append(f'<path class="mark-{mark.kind}" d="M{_number(x)} {_number(TOP)}V{_number(frame.bottom)}"/>')
        if mark.label:
            before = x > 110
            drawn.append(
                f'<text class="t2" x="{_number(x - 5 if before else x + 5)}" y="16" '
                f'text-anchor="{"end" if before else "start"}">{escape(mark.label)}</text>'
            )
    return drawn


def curve(drawing: Curve) -> SafeString:
    """Draw a KPI curve: area, line, goal, marks, times, and the last value written at the end.

    Without points nothing is drawn: an empty text is returned.
    """
    if not drawing.points:
        return SafeString("")
    points = thin(drawing.points)
    frame = _Frame(drawing, points)
    line = _path(frame, points)
    first, last = points[0], points[-1]
    bottom = _number(frame.bottom)
    x, y = _number(frame.x(last.at)), frame.y(last.share)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {drawing.height}" role="img" aria-label="{escape(drawing.twin)}">',
        *_marks(drawing, frame),
    ]
    if drawing.goal is not None:
        parts.append(f'<path class="goal" d="M2 {_number(frame.y(drawing.goal))}H{_number(RIGHT + 8)}"/>')
    parts += [
        *_times(frame, drawing.time_labels),
        f'<path class="area" d="{line}V{bottom}H{_number(frame.x(first.at))}z"/>',
        f'<path class="line" d="{line}"/>',
        f'<circle class="dot-{"ok" if drawing.good else "bad"}" cx="{x}" cy="{_number(y)}" r="3.5"/>',
    ]
    if drawing.last_label:
        label_y = min(max(y + 4, 9.0), frame.bottom)
        label_x = _number(frame.x(last.at) + 7)
        label = escape(drawing.last_label)
        parts.append(f'<text class="strong" x="{label_x}" y="{_number(label_y)}">{label}</text>')
    return mark_safe("".join(parts) + "</svg>")  # noqa: S308 - every text in it was escaped


def sparkline(shares: Sequence[float], *, bad: bool = False) -> SafeString:
    """A line of 88 × 26 without words, for a row that says the figure beside it; below 90 % is the floor."""
    if len(shares) < 2:
        return SafeString("")
    low = min(0.9, *shares)
    step = 82 / (len(shares) - 1)
    places = [(2 + n * step, 23 - 20 * (share - low) / (1 - low)) for n, share in enumerate(shares)]
    path = "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in places)
    x, y = places[-1]
    return mark_safe(  # noqa: S308 - numbers only
        f'<svg class="spark{" bad" if bad else ""}" viewBox="0 0 88 26" aria-hidden="true"><path d="{path}"/>'
        f'<circle cx="{_number(x)}" cy="{_number(y)}" r="2.2"/></svg>'
    )
