"""The small parts of the design system say what they stand for, also to those who do not see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import timezone

from hemostat.base import clock
from hemostat.base.clock import ManualClock

NOW = datetime(2026, 11, 19, 13, 5, 40, tzinfo=UTC)


def _show(template: str, **context: Any) -> str:
    with clock.using(ManualClock(NOW)), timezone.override("Europe/Berlin"):
        return Template("{% load hemostat %}" + template).render(Context(context))


def test_a_severity_is_a_shape_a_code_and_a_word() -> None:
    assert ">P0 critical<" in _show("{% severity 0 %}")
    assert 'P3<span class="vh"> minor</span>' in _show('{% severity 3 "short" %}')
    shapes = {_show("{% severity n %}", n=n).split("<svg")[1].split("</svg>")[0] for n in range(5)}
    assert len(shapes) == 5


@pytest.mark.parametrize(("form", "shown"), [("time", "14:05"), ("clock", "14:05:40"), ("date", "Thu 19 Nov, 14:05")])
def test_a_time_is_told_in_the_readers_zone_with_the_exact_instant_on_hover(form: str, shown: str) -> None:
    drawn = _show("{% when at form %}", at=NOW, form=form)
    assert f">{shown}</time>" in drawn
    assert 'datetime="2026-11-19T14:05:40+01:00"' in drawn
    assert 'title="Thu 19 Nov 2026, 14:05:40 CET"' in drawn


def test_a_near_time_is_told_without_its_day_and_a_far_one_with_it() -> None:
    assert ">14:05<" in _show('{% when at "near" %}', at=NOW)
    assert ">Tue 17 Nov, 14:05<" in _show('{% when at "near" %}', at=NOW - timedelta(days=2))


def test_a_clock_says_how_much_is_left_and_then_how_late_it_is() -> None:
    template = '{% countdown at "in 0:00" "0:00 late" %}'
    assert ">in 11:20<" in _show(template, at=NOW + timedelta(minutes=11, seconds=20))
    assert ">1:20 late<" in _show(template, at=NOW - timedelta(seconds=80))


@pytest.mark.parametrize(
    ("ago", "said"),
    [(0, "now"), (4, "4\xa0s ago"), (125, "2\xa0min ago"), (86_400 * 14, "14 days ago"), (None, "never")],
)
def test_how_long_ago_is_told_without_false_precision(ago: float | None, said: str) -> None:
    assert _show("{{ at|ago }}", at=None if ago is None else NOW - timedelta(seconds=ago)) == said


@pytest.mark.parametrize(
    ("number", "said"), [(8437, "8,400"), (96, "96"), (1251, "1,300"), (1_234_567, "1,200,000"), (None, "")]
)
def test_large_figures_are_rounded_honestly(number: float | None, said: str) -> None:
    assert _show("{{ n|about }}", n=number) == said


def test_a_headline_has_a_digit_only_where_it_matters() -> None:
    assert _show("{{ a|figure }} {{ b|figure }}", a=0.9991, b=0.1234) == "99.9\xa0% 12\xa0%"


def test_how_sure_is_bars_and_a_word() -> None:
    drawn = _show('{% sure "likely" %}')
    assert drawn.count('class="on"') == 3
    assert drawn.endswith("Likely</span>")


def test_nobody_has_an_empty_ring() -> None:
    assert "av-none" in _show("{% avatar person %}", person=None)
    assert ">ML<" in _show("{% avatar person %}", person="Mira Lind")


def test_names_are_escaped_wherever_they_stand() -> None:
    drawn = _show('{% avatar p %}{% health "ok" p %}{% copy_button p p %}{% progress 0.5 p %}', p='<script>"')
    assert "<script" not in drawn


def test_assets_carry_the_hash_of_their_content() -> None:
    assert _show("{% asset 'base/hemostat.css' %}").startswith("/static/base/hemostat.css?v=")


def test_an_asset_that_is_not_there_is_an_error() -> None:
    with pytest.raises(Exception, match=r"no static file base/nothing\.css"):
        _show("{% asset 'base/nothing.css' %}")
