"""The mail server of the demo: what was answered with 250 is in the folder."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from hemostat_lab import mailbox
from hemostat_lab.layout import free_port


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a mail server that keeps its messages in `tmp_path`."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "hemostat_lab.mailbox", str(tmp_path), str(port)])
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(10)


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "hemostat@localhost", "ana@example.org", subject
    message.set_content("Zahlung geht nicht: 支付失败")
    return message


def test_a_message_that_was_taken_is_kept_whole(tmp_path: Path, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(letter("P1 checkout"))
    (kept,) = mailbox.messages(tmp_path)
    message = message_from_bytes(kept.read_bytes(), policy=policy.default)
    assert message["Subject"] == "P1 checkout"
    assert message.get_content().strip() == "Zahlung geht nicht: 支付失败"


def test_the_newest_message_is_first_and_the_oldest_go(tmp_path: Path, port: int) -> None:
    for number in range(mailbox.KEEP):
        (tmp_path / f"{10**18 + number}.eml").write_bytes(b"Subject: old\n\n")
    with smtplib.SMTP("127.0.0.1", port) as client:
        for subject in ("first", "second"):
            client.send_message(letter(subject))
    kept = mailbox.messages(tmp_path)
    assert len(kept) == mailbox.KEEP
    assert [message_from_bytes(p.read_bytes())["Subject"] for p in kept[:2]] == ["second", "first"]
