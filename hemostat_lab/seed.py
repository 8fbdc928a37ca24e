"""Setting up an installation for the shop: people, on-call, policy, services, a source and the plans.

Only by the `hemostat` command, as anybody would script it; nothing here reaches past it. What was done is kept in
a file, so that a second start, or one after a crash, does the rest and nothing twice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template

from hemostat_lab.console import Console
from hemostat_lab.layout import Layout, Role, write_private

PLANS = Path(__file__).parent / "plans"
SECRET = "SHOP_TOKEN"  # noqa: S105 - the name of a secret, not one


@dataclass(frozen=True)
class Person:
    """An account of the demo. Its password is printed on the console, so it is no secret worth keeping."""

    name: str
    email: str
    role: str
    password: str


RESPONDER = Person("Shop on call", "oncall@example.org", "responder", "clamp-before-cause")
OWNER = Person("Shop lead", "lead@example.org", "owner", "owner-of-the-demo")
GUIDE = Person("The guide", "guide@example.org", "viewer", "reads-and-changes-nothing")

PURPOSES: Mapping[Role, tuple[str, str]] = {
    Role.GATEWAY: ("core", "use the shop"),
    Role.CHECKOUT: ("core", "buy"),
    Role.PAYMENT: ("core", "pay"),
    Role.ORDERS: ("important", "see and place orders"),
}
"""Tier, and what users cannot do when it fails."""


class Seed:
    """What is set up, step by step; `file` remembers what was done and the tokens that were given."""

    def __init__(self, layout: Layout, file: Path, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ
        self._layout = layout
        self._file = file
        self._kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    @property
    def source_token(self) -> str:
        """With it the shop's spans are let in."""
        return self._kept["source"]

    @property
    def viewer_token(self) -> str:
        """With it the guide reads what happens."""
        return self._kept["token"]

    def carry_out(self, tell: Callable[[str], None]) -> None:
        """Do what has not been done yet; raises `CommandError`."""
        if "finished" in self._kept:
            return
        with Console(self._environ) as console:
            self._carry_out(console, tell)
        self._keep("finished", "done")

    def _carry_out(self, console: Console, tell: Callable[[str], None]) -> None:
        once = partial(self._once, console)
        for person in (OWNER, RESPONDER, GUIDE):
            once(
                f"user {person.email}",
                ["user", "add", person.email, "--name", person.name, "--role", person.role, "--password-stdin"],
                stdin=person.password + "\n",
            )
        tell(f"Accounts are there: {OWNER.name} (owner) and {RESPONDER.name} (responder).")
        for email in (RESPONDER.email, OWNER.email):
            once(f"contact {email}", ["contact", "add", email, "--verified"])
        once("schedule", ["schedule", "add", "Shop", "--user", RESPONDER.email])
        tiers = ["--tier", "schedule:shop", "--tier", f"user:{OWNER.email}"]
        once("policy", ["policy", "add", "Shop", *tiers, "--fallback", OWNER.email, "--default"])
        tell(f"{RESPONDER.name} is on call by e-mail; {OWNER.name} is next.")
        for role, (tier, purpose) in PURPOSES.items():
            name = self._layout.names[role]
            known_as = ["--label", name.capitalize(), "--tier", tier, "--purpose", purpose]
            once(f"service {name}", ["service", "add", name, *known_as])
        environment = self._layout.telemetry.environment
        once("source", ["source", "add", "Shop", "--protocol", "otlp", "--environment", environment])
        once("token", ["token", "create", "guide", "--user", GUIDE.email])
        plans = sorted(PLANS.glob("*.toml"))
        for file in plans:
            once(
                f"plan {file.stem}",
                ["plan", "add", "-", "--secret", SECRET],
                stdin=plan_text(file, self._layout),
                environ={f"HEMOSTAT_PLAN_SECRET_{SECRET}": self._layout.operations_token_file.read_text()},
            )
        tell(f"{len(plans)} plans are written, and the shop's source is let in.")

    def _once(
        self,
        console: Console,
        step: str,
        arguments: Sequence[str],
        *,
        stdin: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if step not in self._kept:
            said = console.run(arguments, stdin=stdin, environ=environ)
            self._keep(step, said.get("token", "done"))

    def _keep(self, step: str, value: str) -> None:
        self._kept[step] = value
        write_private(self._file, json.dumps(self._kept, indent=1))


def plan_text(file: Path, layout: Layout) -> str:
    """A plan of the shop with the names, the address and the Python of this lab."""
    return Template(file.read_text()).substitute(
        {role.value: name for role, name in layout.names.items()},
        platform=layout.operations_url.removeprefix("http://"),
        python=sys.executable,
    )
