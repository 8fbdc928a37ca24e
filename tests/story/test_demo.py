"""`hemostat demo`: one command, a way in that works, and a guide that says what happens."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from hemostat_lab.seed import RESPONDER
from tests.installation import Installation, eventually
from tests.lab.folders import folder_for_all
from tests.story.browser import phone, sign_in

pytestmark = [pytest.mark.story, pytest.mark.browser]


@pytest.fixture
def demo() -> Iterator[Installation]:
    """A demo on ports and a data folder of its own, started for the first time."""
    with folder_for_all() as folder:
        installation = Installation(folder / "data")
        installation.start("demo")
        yield installation
        if installation.process is not None and installation.process.poll() is None:
            installation.stop()


def said(demo: Installation, sentence: str, within: float) -> None:
    eventually(lambda: re.search(sentence, demo.output()), within=within, why=f"the console says: {sentence}")


def test_the_demo_tells_the_way_in_and_starts_again_where_it_was(demo: Installation) -> None:
    said(demo, rf"to respond: +{RESPONDER.email} +password: {RESPONDER.password}", within=120)
    said(demo, r"guide +\| The shop is up: four services", within=60)
    with phone() as page:
        sign_in(page, demo.url)
        page.goto(f"{demo.url}/demo/mailbox/")
        expect(page.get_by_role("heading", name="Mailbox")).to_be_visible()
    said(demo, r"guide +\| \d+ requests a second, [\d.]+% of them go well. In 60 s something will break", within=60)
    assert demo.stop() == 0

    before = json.loads((demo.data / "seed.json").read_text())
    demo.log.unlink()
    began = time.monotonic()
    demo.start("demo")
    eventually(lambda: demo.answers("/accounts/login/"), within=30, why="the first page")
    print(f"second start: first page after {time.monotonic() - began:.1f} s")
    said(demo, r"guide +\| The shop is up: four services", within=60)
    assert json.loads((demo.data / "seed.json").read_text()) == before, "nothing is set up twice"
    assert "Accounts are there" not in demo.output()
