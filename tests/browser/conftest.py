"""A real server, the system's Chromium, and somebody who is signed in.

Playwright's sync API leaves an asyncio loop running in the main thread, so these tests are a pytest process of their
own: `pytest tests/browser`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from hemostat.base import clock
from tests.browser.scenes import Scene, World

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

SEALED = [
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
"""Arguments with which Chromium asks nobody outside for anything."""

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1440, "height": 900}}


def chromium() -> str | None:
    """The browser of this machine, None when there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("HEMOSTAT_CHROMIUM") or next((path for n in names if (path := shutil.which(n))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here; without a browser skip it loudly, or fail with CI=true."""
    missing = chromium() is None
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if missing and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine: the pages were NOT looked at"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, sealed off from the network."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=SEALED)
        yield launched
        launched.close()


@pytest.fixture
def play(transactional_db: None) -> Iterator[Callable[[Scene], World]]:
    """Build a scene and let its clock tell the time until the test ends."""
    stack: list[Any] = []

    def build(scene: Scene) -> World:
        world = scene()
        using = clock.using(world.clock)
        using.__enter__()
        stack.append(using)
        return world

    yield build
    for using in reversed(stack):
        using.__exit__(None, None, None)


@pytest.fixture
def visit(browser: Browser, live_server: Any) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser context in which `user` is signed in (nobody when None)."""
    opened: list[BrowserContext] = []

    def context(user: Any, **options: Any) -> BrowserContext:
        made = browser.new_context(base_url=live_server.url, reduced_motion="reduce", **options)
        if user is not None:
            client = Client()
            client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
            cookie = client.cookies[settings.SESSION_COOKIE_NAME]
            made.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        opened.append(made)
        return made

    yield context
    for made in opened:
        made.close()
