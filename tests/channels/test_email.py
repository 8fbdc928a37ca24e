"""E-mail against a real mail server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hemostat.base.refusals import RefusedError
from hemostat.channels.base import Address
from hemostat.channels.email.channel import EmailChannel, Server
from hemostat.channels.email.render import plain, render
from hemostat.channels.rules import OutcomeKind
from tests.channels.contract import ChannelContract, Rig, message
from tests.paging.world import Mailbox

SERVER = Server("127.0.0.1", 0, "", "pa55word", "none", "Hemostat <hemostat@example.org>")
TO = Address(1, "anna@example.org")


class Switch(EmailChannel):
    """The channel with a server that a test can change."""

    def use(self, server: Server) -> None:
        self._server = server


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that says all the right things and falls silent after the message."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 hello\r\n")
                for line in lines:
                    command = line[:4].upper()
                    if command == b"DATA":
                        connection.sendall(b"354 go on\r\n")
                        done.wait(8)
                        break
                    connection.sendall(b"250 ok\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    done.set()
    listener.close()
    thread.join(2)


@pytest.fixture
def rig(mail: Mailbox, silent: int) -> Rig:
    channel = Switch(timeout_s=1.0)
    here = replace(SERVER, port=mail.port)

    def answer(reply: str | None) -> None:
        channel.use(here)
        mail.answer = lambda: reply

    return Rig(
        channel=channel,
        to=TO,
        secrets=("pa55word",),
        works=lambda: answer(None),
        fails_for_now=lambda: answer("451 4.3.0 later, pa55word"),
        refuses=lambda: answer("550 5.1.1 no such mailbox, pa55word"),
        is_gone=lambda: channel.use(replace(SERVER, port=9)),
        hangs=lambda: channel.use(replace(SERVER, port=silent)),
        ids=lambda: [str(m["message-id"]) for m in mail.mails],
    )


class TestEmail(ChannelContract):
    """What every channel does."""


def test_the_mail_says_what_why_and_what_to_do_in_text_and_html(mail: Mailbox) -> None:
    EmailChannel(replace(SERVER, port=mail.port)).send(TO, message())
    (sent,) = mail.mails
    text, html = sent.get_body(("plain",)), sent.get_body(("html",))
    assert text is not None
    assert html is not None
    for body in (text.get_content(), html.get_content()):
        for words in (
            "About 8,400 users cannot pay",
            "Why, very likely",
            "orders-db",
            "https://hemo.example/ack/token/",
        ):
            assert words in body
    assert sent["subject"] == message().title
    assert sent["from"] == "Hemostat <hemostat@example.org>"
    assert sent["auto-submitted"] == "auto-generated"


def test_what_the_sender_wrote_cannot_add_a_header_or_markup() -> None:
    mail = render(
        message(title="P1 evil\r\nBcc: all@example.org", lead="<script>alert(1)</script>"),
        sender="a@example.org",
        to="b@example.org",
    )
    assert mail["bcc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


def test_the_plain_text_reads_like_this() -> None:
    assert plain(message(footer="You are paged because you are on call.")) == (
        "Since 14:02:00. About 8,400 users cannot pay.\n\n"
        "Why, very likely\n  orders-db refuses connections\n\n"
        "Acknowledge\n  https://hemo.example/ack/token/\nOpen\n  https://hemo.example/i\n\n"
        "You are paged because you are on call.\n"
    )


def test_a_server_that_refuses_our_sign_in_is_ours_to_mend_so_the_page_is_kept(mail: Mailbox) -> None:
    outcome = EmailChannel(replace(SERVER, port=mail.port, user="hemostat")).send(TO, message())
    assert outcome.kind is OutcomeKind.TEMPORARY
    assert "pa55word" not in outcome.answer


def test_tls_that_was_asked_for_is_never_done_without(mail: Mailbox) -> None:
    outcome = EmailChannel(replace(SERVER, port=mail.port, security="starttls")).send(TO, message())
    assert outcome.kind is OutcomeKind.TEMPORARY
    assert mail.mails == []


def test_without_a_mail_server_the_page_waits_and_says_what_is_missing() -> None:
    outcome = EmailChannel(replace(SERVER, host="")).send(TO, message())
    assert outcome.kind is OutcomeKind.TEMPORARY
    assert "HEMOSTAT_SMTP_HOST" in outcome.answer


@pytest.mark.parametrize("address", ["", "anna", "anna@example.org\r\nBcc: x@example.org", "a b@example.org"])
def test_an_address_that_cannot_be_right_is_refused(address: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        EmailChannel().check(address)
    assert refusal.value.field == "address"
