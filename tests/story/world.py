"""Everything of the story as real processes: Hemostat, the shop, its users, a mail server, and a browser's hands."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx

from hemostat_lab import mailbox
from hemostat_lab.control import Lab
from hemostat_lab.layout import Layout, Role, Telemetry, free_port
from hemostat_lab.seed import RESPONDER, Seed
from tests.installation import Installation, eventually, running

BASELINE_S = 75
"""Healthy traffic before a fault: detection wants a minute of it."""
FINE_ABOVE = 0.95


class World:
    """A running installation that watches a running shop."""

    def __init__(self, installation: Installation, lab: Lab, mails: Path, token: str) -> None:
        self.installation = installation
        self.lab = lab
        self.names = lab.layout.names
        self._mails = mails
        self._api = httpx.Client(
            base_url=f"{installation.url}/api/v1", headers={"authorization": f"Bearer {token}"}, timeout=10
        )

    def close(self) -> None:
        """Close what is open; the processes are the business of whoever started them."""
        self._api.close()

    @property
    def url(self) -> str:
        """Where the pages are."""
        return self.installation.url

    def get(self, path: str) -> Any:
        """Read something over the REST API."""
        return self._api.get(path).raise_for_status().json()

    def open_codes(self) -> list[str]:
        """The open incidents."""
        return [row["code"] for row in self.get("/incidents?state=open")]

    def all_codes(self) -> list[str]:
        """Every incident there has been."""
        return [row["code"] for row in self.get("/incidents")]

    def incident(self, code: str) -> dict[str, Any]:
        """One incident with its causes."""
        found: dict[str, Any] = self.get(f"/incidents/{code}")
        return found

    def timeline(self, code: str) -> list[dict[str, Any]]:
        """What happened to it, oldest first."""
        return list(reversed(self.get(f"/incidents/{code}/timeline")))

    def happened(self, code: str, kind: str) -> dict[str, Any] | None:
        """The latest event of a kind."""
        return next((e for e in reversed(self.timeline(code)) if e["kind"] == kind), None)

    def options(self, code: str) -> list[str]:
        """Slugs of the plans that are offered, the first one first."""
        return [option["slug"] for option in self.get(f"/incidents/{code}/options")]

    def wait_for_incident(self, within: float = 30) -> str:
        """The code of the incident that opens."""
        codes: list[str] = eventually(self.open_codes, within=within, why="an incident opens")
        assert len(codes) == 1, f"one failure, one incident: {codes}"
        return codes[0]

    def wait_for(self, code: str, kind: str, within: float) -> dict[str, Any]:
        """The event, once it is on the timeline."""

        def look() -> dict[str, Any] | None:
            return self.happened(code, kind)

        try:
            event: dict[str, Any] = eventually(look, within=within, why=f"{kind} on {code}")
        except AssertionError as error:
            told = "\n".join(f"{e['at']} {e['kind']}: {e['text']}" for e in self.timeline(code))
            raise AssertionError(f"{error}\n{told}") from None
        return event

    def first_cause(self, code: str, wanted: Callable[[dict[str, Any]], bool], within: float = 30) -> dict[str, Any]:
        """The first-ranked cause, as soon as it is as `wanted`; fails with what is there instead."""
        deadline = time.monotonic() + within
        causes: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            causes = self.incident(code)["causes"]
            if causes and wanted(causes[0]):
                return causes[0]
            time.sleep(0.5)
        raise AssertionError(f"not the cause that was wanted: {causes}")

    def mail_to(self, person: str, code: str, within: float = 30) -> str:
        """The text of the newest message to `person` about an incident."""

        def look() -> str | None:
            for file in mailbox.messages(self._mails):
                message = message_from_bytes(file.read_bytes(), policy=policy.default)
                if person in str(message["To"]) and code in str(message["Subject"]):
                    body = message.get_body(("plain",))
                    return str(body.get_content()) if body else ""
            return None

        text: str = eventually(look, within=within, why=f"mail to {person} about {code}")
        return text

    def ack_link(self, code: str) -> str:
        """The link in the responder's message by which the page is answered."""
        found = re.search(r"https?://\S+/ack/\S+", self.mail_to(RESPONDER.email, code))
        assert found, "the message holds no link to acknowledge"
        return found.group()

    def users_are_served(self) -> bool:
        """Whether the shop's users get what they came for, by the users' own count."""
        return self.lab.traffic()["success"] > FINE_ABOVE

    def wait_until_calm(self, within: float = 90) -> None:
        """Return when nothing is open and users are served."""
        eventually(lambda: not self.open_codes() and self.users_are_served(), within=within, why="all is calm")


@contextmanager
def world(folder: Path, names: Mapping[Role, str] | None, **settings: str) -> Iterator[World]:
    """Start all of it, wait for a baseline of healthy traffic, and stop all of it."""
    mails, mail_port = folder / "mails", free_port()
    installation = Installation(
        folder / "data",
        HEMOSTAT_SMTP_HOST="127.0.0.1",
        HEMOSTAT_SMTP_PORT=str(mail_port),
        HEMOSTAT_SMTP_SECURITY="none",
        HEMOSTAT_WEBHOOK_ALLOW_PRIVATE="true",
        HEMOSTAT_DEMO_MAILBOX=str(mails),
        HEMOSTAT_RESOLVE_QUIET_S="15",
        **settings,
    )
    post = subprocess.Popen([sys.executable, "-m", "hemostat_lab.mailbox", str(mails), str(mail_port)])
    try:
        with running(installation):
            endpoint = f"{installation.intake_url}/v1/traces"
            layout = Layout.open(folder / "lab", names=names, telemetry=Telemetry(endpoint))
            seed = Seed(layout, folder / "seed.json", installation.env)
            seed.carry_out(lambda _line: None)
            telemetry = Telemetry(endpoint, seed.source_token)
            with Lab(folder / "lab", names=names, telemetry=telemetry) as lab:
                time.sleep(BASELINE_S)
                with closing(World(installation, lab, mails, seed.viewer_token)) as started:
                    yield started
    finally:
        post.terminate()
        post.wait(10)
