"""Tags and filters of the design system: texts, figures, times, and the small parts every page is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from hemostat.base import clock, svg, texts
from hemostat.base.texts import NBSP, Text

register = template.Library()

TWO_DAYS_S = 172_800
"""From here on nobody counts hours."""

SEVERITY_WORDS = (
    gettext_lazy("critical"),
    gettext_lazy("severe"),
    gettext_lazy("major"),
    gettext_lazy("minor"),
    gettext_lazy("low"),
)
"""What P0 to P4 are called."""

_SEVERITY_SHAPES = (
    '<path d="M3.5 0h5L12 3.5v5L8.5 12h-5L0 8.5v-5z"/>',
    '<path d="M6 .3 12 11.5H0z"/>',
    '<path d="m6 0 6 6-6 6-6-6z"/>',
    '<rect x="1" y="1" width="10" height="10" rx="1"/>',
    '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="2"/>',
)
"""The number of sides falls with the severity, so that it is never told by colour alone."""

_HEALTH_SHAPES = {
    "ok": '<circle cx="7" cy="7" r="6.5" fill="currentColor"/>'
    '<path d="m4 7.2 2.1 2.1L10 5.2" fill="none" stroke="var(--surface)" stroke-width="1.7"/>',
    "warn": '<path d="M7 .8 13.6 12.8H.4z" fill="currentColor"/>'
    '<path d="M7 5v3.6M7 10.6v.2" stroke="var(--surface)" stroke-width="1.6" stroke-linecap="round"/>',
    "bad": '<path d="M4.3.5h5.4L13.5 4.3v5.4L9.7 13.5H4.3L.5 9.7V4.3z" fill="currentColor"/>'
    '<path d="m4.8 4.8 4.4 4.4M9.2 4.8 4.8 9.2" stroke="var(--surface)" stroke-width="1.7"/>',
    "off": '<circle cx="7" cy="7" r="5.7" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-dasharray="2.5 2"/>',
}

_CONFIDENCE = {
    "very_likely": (4, gettext_lazy("Very likely")),
    "likely": (3, gettext_lazy("Likely")),
    "possible": (2, gettext_lazy("Possible")),
    "guess": (1, gettext_lazy("A guess")),
}


# ---- texts and figures ----


@register.filter
def say(text: Text | None) -> str:
    """Write a text in the reader's language."""
    return texts.render(text) if text is not None else ""


@register.filter
def pct(share: float | None) -> str:
    """0.999 → 99.9 %."""
    return _("unknown") if share is None else texts.percent(share)


@register.filter
def figure(share: float | None) -> str:
    """A KPI as a headline says it: 99.9 % while the digit matters, whole percents below 90."""
    return _("unknown") if share is None else texts.figure(share)


@register.filter
def dur(seconds: float | None) -> str:
    """180 → 3 min."""
    return "" if seconds is None else texts.duration(seconds).replace(" ", NBSP)


@register.filter
def count(number: float | None) -> str:
    """8400 → 8,400."""
    return "" if number is None else texts.count(number)


@register.filter
def about(number: float | None) -> str:
    """A figure rounded honestly, to two digits: 8437 → 8,400; below 100 it is told as it is."""
    if number is None:
        return ""
    whole = round(number)
    if whole >= 100:
        step = 10 ** (len(str(whole)) - 2)
        whole = round(whole / step) * step
    return texts.count(whole)


@register.filter
def clock_span(seconds: float) -> str:
    """680 → 11:20."""
    return texts.clock_span(seconds)


@register.filter
def ago(at: datetime | None) -> str:
    """How long before now `at` was: 4 s ago, 2 min ago, 1 h 5 min ago."""
    if at is None:
        return _("never")
    seconds = (clock.now() - at).total_seconds()
    if seconds < 2:
        return pgettext("seen", "now")
    if seconds >= TWO_DAYS_S:
        days = round(seconds / 86_400)
        return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": days}
    return _("%(span)s ago") % {"span": texts.duration(seconds).replace(" ", NBSP)}


# ---- times ----

_TIME_FORMATS = {"time": "H:i", "clock": "H:i:s", "day": "j M", "date": "D j M, H:i"}


def exact(at: datetime) -> str:
    """The whole instant with its zone: Thu 19 Nov 2026, 14:05:12 CET."""
    return date_format(timezone.localtime(at), "D j M Y, H:i:s T")


@register.simple_tag
def when(at: datetime | None, form: str = "time") -> SafeString:
    """A time as people say it, the exact instant and zone on hover. Forms: time, clock, day, date, near.

    `near` tells the time today and the day with the time otherwise.
    """
    if at is None:
        return SafeString("")
    local = timezone.localtime(at)
    if form == "near":
        form = "time" if local.date() == timezone.localtime(clock.now()).date() else "date"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        exact(at),
        date_format(local, _TIME_FORMATS[form]),
    )


@register.simple_tag
def countdown(at: datetime, ahead: str = "0:00", late: str = "0:00") -> SafeString:
    """m:ss until `at` or past it, ticking where there is script; it stands where `ahead` or `late` say 0:00."""
    left = (at - clock.now()).total_seconds()
    return format_html(
        '<time data-clock="down" data-at="{}" data-ahead="{}" data-late="{}" datetime="{}" title="{}">{}</time>',
        int(at.timestamp()), ahead, late, at.isoformat(), exact(at),
        (ahead if left >= 0 else late).replace("0:00", texts.clock_span(left)),
    )  # fmt: skip


@register.simple_tag
def stopwatch(at: datetime) -> SafeString:
    """m:ss since `at`, ticking where there is script."""
    return format_html(
        '<time data-clock="up" data-at="{}" datetime="{}" title="{}">{}</time>',
        int(at.timestamp()), at.isoformat(), exact(at), texts.clock_span((clock.now() - at).total_seconds()),
    )  # fmt: skip


@register.simple_tag
def span_between(begin: datetime, end: datetime) -> str:
    """How long something took: 34 s, 1:52."""
    seconds = (end - begin).total_seconds()
    return texts.duration(seconds).replace(" ", NBSP) if seconds < 100 else texts.clock_span(seconds)


@register.simple_tag
def epoch_now() -> str:
    """The server's present in epoch seconds, by which the pages' clocks are set."""
    return f"{clock.now().timestamp():.3f}"


# ---- parts ----


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of `base/parts/icons.html`; it never stands for a word."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="#i-{}"/></svg>', f" {extra}" if extra else "", name
    )


@register.simple_tag
def severity(level: int, form: str = "full") -> SafeString:
    """The badge of P0 to P4; `short` leaves the word out for the eye, not for the ear."""
    word = str(SEVERITY_WORDS[level])
    text = (
        format_html("P{} {}", level, word)
        if form == "full"
        else format_html('P{}<span class="vh"> {}</span>', level, word)
    )
    return format_html(
        '<span class="sev sev-{}"><svg viewBox="0 0 12 12" aria-hidden="true">{}</svg>{}</span>',
        level,
        mark_safe(_SEVERITY_SHAPES[level]),  # noqa: S308 - a constant of ours
        text,
    )


@register.simple_tag
def health(state: str, word: str = "") -> SafeString:
    """A state (ok, warn, bad, off) as shape and colour, with its word."""
    return format_html(
        '<span class="st st-{}"><svg viewBox="0 0 14 14" aria-hidden="true">{}</svg>{}</span>',
        state,
        mark_safe(_HEALTH_SHAPES[state]),  # noqa: S308 - a constant of ours
        word,
    )


@register.simple_tag
def sure(confidence: str) -> SafeString:
    """How sure a cause is: four bars and a word."""
    bars, word = _CONFIDENCE[confidence]
    drawn = format_html_join(
        "",
        '<rect{} x="{}" width="4" height="10" rx="1"/>',
        ((mark_safe(' class="on"') if n < bars else "", n * 6) for n in range(4)),
    )
    return format_html(
        '<span class="sure"><svg viewBox="0 0 22 10" aria-hidden="true">{}</svg>{}</span>', drawn, str(word)
    )


def initials(name: str) -> str:
    """At most two letters that stand for a name."""
    words = [w for w in name.replace("@", " ").replace(".", " ").split() if w[:1].isalnum()]
    return "".join(w[0] for w in words[:2]).upper() or "?"


@register.simple_tag
def avatar(person: Any, you: bool = False) -> SafeString:
    """A person's initials; the reader's own are filled, nobody's is an empty ring."""
    if not person:
        return SafeString('<span class="av av-none" aria-hidden="true"></span>')
    return format_html(
        '<span class="av{}" aria-hidden="true">{}</span>', " av-you" if you else "", initials(str(person))
    )


@register.simple_tag
def progress(share: float, label: str, form: str = "") -> SafeString:
    """A bar filled to `share`; its width is an attribute of the drawing, so no style attribute is needed."""
    percent = round(min(max(share, 0.0), 1.0) * 100)
    return format_html(
        '<svg class="prog" role="img" aria-label="{}"><rect width="100%" height="6"/>'
        '<rect class="f {}" width="{}%" height="6" rx="3"/></svg>',
        label, form, percent,
    )  # fmt: skip


@register.simple_tag
def rule_bar(score: float, next_best: float | None = None) -> SafeString:
    """How much a rule gave, 0 to 1, with a mark for what it gave the next best."""
    mark = (
        format_html('<rect class="b" x="{}%" width="2" height="10"/>', round(min(next_best, 0.99) * 100))
        if next_best is not None
        else ""
    )
    return format_html(
        '<svg class="rbar" aria-hidden="true"><rect class="bg" width="100%" height="10" rx="3"/>'
        '<rect class="a" width="{}%" height="10" rx="3"/>{}</svg>',
        round(min(max(score, 0.0), 1.0) * 100), mark,
    )  # fmt: skip


@register.filter
def begun(days: Sequence[Any]) -> int:
    """On how many days of a strip something began."""
    return sum(day.severity is not None for day in days)


@register.simple_tag
def day_strip(days: Sequence[Any]) -> SafeString:
    """One mark a day; a day with an incident is taller and has its severity's colour."""
    marks = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="5" height="{}" rx="1.5"/>',
        (
            ("day", n * 7, 7, 18) if day.severity is None else (f"day sev-{day.severity}", n * 7, 2, 28)
            for n, day in enumerate(days)
        ),
    )
    return format_html('<svg class="chart" viewBox="0 0 {} 32" aria-hidden="true">{}</svg>', len(days) * 7 - 2, marks)


@register.simple_tag
def spark(shares: Sequence[float], bad: bool = False) -> SafeString:
    """A small curve beside a figure."""
    return svg.sparkline(shares, bad=bad)


@register.simple_tag
def copy_button(text: str, label: str) -> SafeString:
    """A button that puts `text` on the clipboard."""
    return format_html(
        '<button class="copy" type="button" data-copy="{}" data-copied="{}" aria-label="{}">{}</button>',
        text, _("Copied"), label, icon("copy"),
    )  # fmt: skip


# ---- assets ----


@cache
def _version(path: str) -> str:
    found = finders.find(path)
    if not isinstance(found, str):
        raise template.TemplateSyntaxError(f"there is no static file {path}")
    return hashlib.blake2b(Path(found).read_bytes(), digest_size=5).hexdigest()


@register.simple_tag
def asset(path: str) -> str:
    """The address of a static file with its content's hash, so that browsers may keep it for ever."""
    return f"{static(path)}?v={_version(path)}"
