"""Each page in each state: accessible in both themes, and never wider than the screen.

With HEMOSTAT_SHOTS=FOLDER the pages are photographed on the way (`python -m tests.browser.shots FOLDER`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import DESK, PHONE
from tests.browser.pages import SIGHTS, Sight
from tests.browser.scenes import Scene, World

pytestmark = pytest.mark.django_db(transaction=True)
WIDTHS = (360, 390, 720, 1024, 1440)
SHOTS = os.environ.get("HEMOSTAT_SHOTS", "")


def photograph(page: Page, name: str, form: str, theme: str) -> None:
    """Keep a picture of the page, when pictures are wanted."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{form}-{theme}.png")
        if theme == "light":
            page.screenshot(path=Path(SHOTS) / f"{name}-{form}-whole.png", full_page=True)


def problems_of(page: Page) -> list[str]:
    """What the browser complains about from now on: errors of scripts, and what the content policy refused."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {n['html'][:160]} {n.get('failureSummary', '')[:200]}" for v in found for n in v["nodes"]]


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: f"{sight.name}-")
def test_a_page_is_accessible_in_both_themes_and_never_scrolls_sideways(
    sight: Sight, play: Callable[[Scene], World], visit: Callable[..., BrowserContext]
) -> None:
    world = play(sight.scene)
    reader = world.reader if sight.signed_in else None
    for (form, options), theme in product((("phone", PHONE), ("desk", DESK)), ("light", "dark")):
        page = visit(reader, color_scheme=theme, **options).new_page()
        problems = problems_of(page)
        answer = page.goto(sight.path(world))
        assert answer is not None
        assert answer.status == sight.status, page.content()[:2000]
        photograph(page, sight.name, form, theme)
        assert violations(page) == []
        if sight.status == 200:
            assert problems == []
        if theme == "light" and form == "desk":
            _check_widths(page)


def _check_widths(page: Page) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide: Any = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{width} px: the page is {wide} px wide"
