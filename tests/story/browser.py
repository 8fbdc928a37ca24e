"""A responder's hands in the system's Chromium: sign in, press what stands on the page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from hemostat_lab.seed import RESPONDER

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 390, "height": 844}


def chromium() -> str | None:
    """Where a browser is on this machine."""
    return os.environ.get("HEMOSTAT_CHROMIUM") or next((p for name in NAMES if (p := shutil.which(name))), None)


@contextmanager
def phone() -> Iterator[Page]:
    """A page in a browser of a phone's size; skips where there is no browser, fails in CI."""
    path = chromium()
    if path is None:
        if os.environ.get("CI") == "true":
            raise AssertionError("no Chromium: install one or set HEMOSTAT_CHROMIUM")
        pytest.skip("no Chromium found: install one or set HEMOSTAT_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True)
        page.set_default_timeout(15_000)
        yield page
        browser.close()


def sign_in(page: Page, url: str) -> None:
    """Sign in as the responder."""
    page.goto(f"{url}/")
    page.get_by_label("E-mail").fill(RESPONDER.email)
    page.get_by_label("Password", exact=True).fill(RESPONDER.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(f"{url}/accounts/login/")


def acknowledge(page: Page, link: str) -> None:
    """Open the link of the message and press its one button; opening alone changes nothing."""
    page.goto(link)
    page.get_by_role("button", name="Acknowledge").click()


def press_plan(page: Page, url: str, code: str, name: str) -> None:
    """On the incident's page, press the plan called `name`: the large button, or one of the other options."""
    page.goto(f"{url}/incidents/{code}/")
    whole = re.compile(re.escape(name) + r"(?![\w-])")  # “Restart orders” is not “Restart orders-db”
    button = page.get_by_role("button", name=whole)
    if not button.first.is_visible():
        page.locator("details", has=page.get_by_text(whole)).locator("summary").first.click()
    button.first.click()
