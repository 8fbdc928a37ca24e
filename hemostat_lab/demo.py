"""`hemostat demo`: Hemostat with the shop, its users, a mailbox and a guide, in a data folder of its own."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from hemostat.site.config import config
from hemostat.site.supervisor import Part
from hemostat.site.up import say, tell_address, up
from hemostat_lab import guide
from hemostat_lab.layout import Layout, Telemetry, free_port
from hemostat_lab.seed import OWNER, RESPONDER, Seed

DATA = "data/demo"
"""Apart from the data of `hemostat up`: the demo is thrown away without a thought."""


def main() -> int:
    """Run until Ctrl-C; returns the exit code."""
    folder = Path(os.environ.setdefault("HEMOSTAT_DATA_DIR", DATA)).resolve()
    mail_port = free_port()
    os.environ.update(
        HEMOSTAT_SMTP_HOST="127.0.0.1",
        HEMOSTAT_SMTP_PORT=str(mail_port),
        HEMOSTAT_SMTP_SECURITY="none",
        HEMOSTAT_WEBHOOK_ALLOW_PRIVATE="true",
        HEMOSTAT_DEMO_MAILBOX=str(folder / "mailbox"),
    )
    os.environ.setdefault("HEMOSTAT_RESOLVE_QUIET_S", "45")
    return up(extra=lambda: _extra(folder, mail_port), announce=_announce)


def _extra(folder: Path, mail_port: int) -> list[Part]:
    settings = config()
    layout = _layout(folder, "")
    seed = Seed(layout, folder / "seed.json")
    seed.carry_out(lambda line: say("demo", line))
    layout = _layout(folder, seed.source_token)
    mailbox, lab = folder / "mailbox", str(layout.folder)
    python = [sys.executable, "-m"]
    return [
        Part(
            name="mailbox",
            argv=[*python, "hemostat_lab.mailbox", str(mailbox), str(mail_port)],
            is_ready=lambda _pid: _listens(mail_port),
        ),
        Part(
            name="shop",
            argv=[*python, "hemostat_lab.platform.process", lab],
            is_ready=lambda pid: _says(layout.ready_file, str(pid)),
            grace_s=30,
        ),
        Part(name="users", argv=[*python, "hemostat_lab.traffic", lab], tells_ready=False),
        Part(
            name="guide",
            argv=[*python, "hemostat_lab.guide", lab, settings.public_url],
            env={guide.TOKEN_VARIABLE: seed.viewer_token},
            tells_ready=False,
        ),
    ]


def _layout(folder: Path, token: str) -> Layout:
    endpoint = f"http://127.0.0.1:{config().intake_port}/v1/traces"
    return Layout.open(folder / "lab", names=None, telemetry=Telemetry(endpoint, token))


def _announce() -> None:
    settings = config()
    tell_address(settings)
    say("demo", "")
    say("demo", f"Open {settings.public_url}")
    say("demo", f"  to respond:        {RESPONDER.email}  password: {RESPONDER.password}")
    say("demo", f"  to look behind it: {OWNER.email}  password: {OWNER.password}")
    say("demo", f"Mail of the demo:    {settings.public_url}/demo/mailbox/")
    say(
        "demo", f"After {guide.HEALTHY_S} s of healthy traffic something will break. The guide tells what happens here."
    )
    say("demo", "")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _says(file: Path, text: str) -> bool:
    try:
        return file.read_text() == text
    except OSError:
        return False
