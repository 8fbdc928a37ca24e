"""The demo's mailbox in a browser: the message is readable, runs nothing, and its link can be followed."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.browser import scenes
from tests.browser.conftest import PHONE
from tests.browser.scenes import Scene, World
from tests.browser.test_pages import photograph, problems_of, violations

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_is_read_and_its_link_followed(
    play: Callable[[Scene], World],
    visit: Callable[..., BrowserContext],
    live_server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEMOSTAT_DEMO_MAILBOX", str(tmp_path))
    world = play(scenes.paged)
    link = f"{live_server.url}/ack/{scenes.LINK}/"
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "P0 · Payment success 12 %", "hemostat@localhost", world.reader.email
    mail.set_content(f"Acknowledge: {link}")
    script = "<script>document.title = 'ran'</script>"
    mail.add_alternative(
        f"<html><head></head><body>{script}<a href='{link}'>Acknowledge</a></body></html>", subtype="html"
    )
    (tmp_path / "1795277369000000000.eml").write_bytes(bytes(mail))

    page = visit(world.reader, **PHONE).new_page()
    page.goto("/demo/mailbox/")
    photograph(page, "mailbox", "phone", "light")
    assert violations(page) == []
    with page.expect_navigation():
        page.get_by_role("link", name="P0 · Payment success").tap()
    photograph(page, "mail", "phone", "light")
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Acknowledge").wait_for()
    assert page.frames[1].title() != "ran", "a message ran a script"
    heard = problems_of(page)
    with page.expect_navigation():
        frame.get_by_role("link", name="Acknowledge").click()
    assert page.url == link
    assert not [h for h in heard if "Content Security Policy" in h]
