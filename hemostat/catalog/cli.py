"""Services from the console."""

from __future__ import annotations

from typing import Annotated

import typer

from hemostat.base.console import Json, emit
from hemostat.catalog import actions, queries
from hemostat.catalog.rules import Tier
from hemostat.events.rules import CONSOLE

NAME = "service"
app = typer.Typer(no_args_is_help=True, help="Services: what fails, and how much hangs on it.")


@app.command("add")
def add_service(
    app_id: Annotated[str, typer.Argument(help="service.namespace/service.name, as telemetry names it.")],
    label: Annotated[str, typer.Option(help="What people call it.")] = "",
    tier: Annotated[Tier, typer.Option(help="How much the business hangs on it.")] = Tier.NORMAL,
    purpose: Annotated[str, typer.Option(help="What users cannot do when it fails, such as “pay”.")] = "",
    policy: Annotated[str, typer.Option(help="Its escalation policy; else the default one.")] = "",
    json: Json = False,
) -> None:
    """Add a service, or take over one that telemetry named first."""
    service = actions.add_service(
        app_id=app_id, label=label, tier=tier, purpose=purpose, policy_slug=policy, actor=CONSOLE
    )
    emit(service, json=json, text=f"{service.label} ({service.app_id}) was added as {service.tier}.")


@app.command("list")
def list_services(json: Json = False) -> None:
    """List services and how much hangs on them."""
    table = [
        ("APP ID", lambda s: s.app_id),
        ("LABEL", lambda s: s.label),
        ("TIER", lambda s: s.tier),
        ("PURPOSE", lambda s: s.purpose),
        ("KNOWN", lambda s: "from telemetry" if s.discovered else "by hand"),
    ]
    emit(queries.services(), json=json, table=table)
