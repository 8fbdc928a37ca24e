"""Drawings are exact, small, and safe."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from hemostat.base import svg
from hemostat.base.svg import Curve, Mark, Point

START = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)


def _points(*shares: float) -> list[Point]:
    return [Point(START + timedelta(seconds=10 * n), share) for n, share in enumerate(shares)]


def _root(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)


def test_a_curve_without_points_is_not_drawn() -> None:
    assert svg.curve(Curve(points=[], twin="")) == ""


def test_the_last_value_is_written_at_the_end_of_the_line() -> None:
    root = _root(svg.curve(Curve(points=_points(1.0, 0.5, 0.0), twin="down", last_label="0 %")))
    dot, label = root.find("circle"), root.find("text[@class='strong']")
    assert dot is not None
    assert label is not None
    assert (dot.get("cx"), dot.get("class")) == ("350", "dot-bad")
    assert label.text == "0 %"
    assert float(label.get("x", 0)) > 350


def test_what_is_drawn_is_said_to_those_who_do_not_see_it() -> None:
    root = _root(svg.curve(Curve(points=_points(1.0, 0.1), twin="success fell to 10 %")))
    assert (root.get("role"), root.get("aria-label")) == ("img", "success fell to 10 %")


def test_names_in_a_drawing_cannot_break_out_of_it() -> None:
    mark = Mark(START, "change", '<script>"&')
    drawn = svg.curve(Curve(points=_points(1.0, 0.9), twin='"><script>', marks=[mark], last_label="<b>"))
    assert "<script" not in drawn
    assert [t.text for t in _root(drawn).iter("text")] == ['<script>"&', "<b>"]


def test_a_run_is_a_band_to_the_end_and_lies_under_the_line() -> None:
    drawing = Curve(
        points=_points(*[0.2] * 11), twin="", marks=[Mark(START + timedelta(seconds=50), "run", "plan")], goal=0.99
    )
    kinds = [e.get("class") for e in _root(svg.curve(drawing))]
    assert kinds[0] == "band"
    assert kinds.index("band") < kinds.index("goal") < kinds.index("line")
    band = _root(svg.curve(drawing))[0]
    assert float(band.get("x", 0)) + float(band.get("width", 0)) == 350


def test_times_that_would_touch_are_left_out() -> None:
    points = _points(*[1.0] * 100)
    labels = [(p.at, p.at.strftime("%H:%M:%S")) for p in points]
    root = _root(svg.curve(Curve(points=points, twin="", time_labels=labels)))
    places = [float(t.get("x", 0)) for t in root.iter("text")]
    assert len(places) > 5
    assert all(b - a >= 38 for a, b in itertools.pairwise(places))


@given(st.lists(st.floats(0, 1), min_size=3, max_size=600))
def test_thinning_keeps_the_ends_and_the_lowest_point(shares: list[float]) -> None:
    points = _points(*shares)
    kept = svg.thin(points)
    assert len(kept) <= 72
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert min(p.share for p in kept) == min(shares)
    assert [p.at for p in kept] == sorted(p.at for p in kept)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400), st.floats(0, 1))
def test_every_curve_stays_inside_its_frame(shares: list[float], goal: float) -> None:
    root = _root(svg.curve(Curve(points=_points(*shares), twin="x", goal=goal, last_label="99.9 %")))
    line = root.find("path[@class='line']")
    assert line is not None
    for x, y in re.findall(r"([\d.]+) ([\d.]+)", line.get("d", "")):
        assert 0 <= float(x) <= svg.WIDTH
        assert svg.TOP <= float(y) <= 80 - svg.LABEL_ROOM


def test_a_sparkline_needs_two_values_and_marks_trouble() -> None:
    assert svg.sparkline([1.0]) == ""
    assert 'class="spark bad"' in svg.sparkline([1.0, 0.2], bad=True)
    assert _root(svg.sparkline([1.0, 0.2])).get("aria-hidden") == "true"
