"""The commands that run the installation: `up`, `web`, `intake`, `engine`, `migrate`, `demo`, `doctor`, `version`."""

from __future__ import annotations

import os
import platform
import sys
from typing import Annotated

import typer

from hemostat import __version__
from hemostat.base.console import Json, emit
from hemostat.base.failures import Exit, HemostatError

# Each command imports what it runs only when it runs: `intake` must never import Django, and help must be quick.


def up() -> None:
    """Start everything on this machine (database, web, intake, engine) and keep it running."""
    from hemostat.site.up import up as run

    sys.exit(run())


def web() -> None:
    """Serve the pages and the API, alone. Wants DATABASE_URL, or a running `hemostat up` on this data folder."""
    from hemostat.site.web import run

    run()


def intake() -> None:
    """Serve the telemetry door (OTLP/HTTP and alerts), alone."""
    from hemostat.site.intake import run

    run()


def engine(
    runner: Annotated[
        str, typer.Option(help="Which command steps of plans run here; else the setting.", metavar="LABEL")
    ] = "",
) -> None:
    """Run pages, deliveries, plan runs and reactions; one engine is elected to fold, detect and diagnose."""
    if runner:
        os.environ["HEMOSTAT_RUNNER_LABEL"] = runner
    from hemostat.site.engine import run

    run()


def migrate(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what goes wrong.")] = False,
) -> None:
    """Bring the database's schema to this version. Safe to start on several machines at once."""
    from hemostat.site.migrate import migrate as run

    applied = run()
    if not quiet:
        emit(None, json=False, text=f"Applied {applied} migrations." if applied else "The schema is up to date.")


def demo() -> None:
    """Start everything, with a small real shop of services whose failure you can watch being found and healed."""
    try:
        from hemostat_lab.demo import main as run
    except ModuleNotFoundError as error:
        raise HemostatError(
            f"The demonstration is not installed (missing: {error.name}).", "Install it: pip install 'hemostat[lab]'."
        ) from error
    sys.exit(run())


def doctor(json: Json = False) -> None:
    """Check everything a newcomer can get wrong, and say what to do. Exit code 1 when something is wrong."""
    from hemostat.site.doctor import examine
    from hemostat.site.doctor.findings import is_wrong, show

    findings = examine()
    show(findings, json=json)
    if is_wrong(findings):
        sys.exit(Exit.FAILURE)


def retry(json: Json = False) -> None:
    """Take up again what failed so often that it was put aside; `doctor` tells of it."""
    from hemostat.site.django import django_setup, require_database

    require_database()
    django_setup()
    from django.apps import apps

    from hemostat.base import clock, due
    from hemostat.site.doctor.contents import name_of

    now = clock.now()
    taken = {
        name_of(model): due.try_again(model, now=now) for model in apps.get_models() if issubclass(model, due.DueRow)
    }
    emit(taken, json=json, text="\n".join(f"{name}: {count}" for name, count in taken.items()))


def version(json: Json = False) -> None:
    """Print the version of Hemostat, Python and the embedded database."""
    from hemostat.site.postgres import MAJOR

    data = {"hemostat": __version__, "python": platform.python_version(), "embedded_postgresql": str(MAJOR)}
    emit(data, json=json, text=f"Hemostat {__version__} (Python {data['python']}, PostgreSQL {MAJOR} embedded)")


def setup_code() -> None:
    """Print a new one-time code for the first-run page; the former one stops working."""
    from hemostat.site.django import django_setup, require_database

    require_database()
    django_setup()
    from hemostat.people.actions import issue_setup_code

    emit(None, json=False, text=issue_setup_code())


def add_to(app: typer.Typer) -> None:
    """Put these commands on `app`, in the order they are shown."""
    for command in (up, demo, doctor, retry, web, intake, engine, migrate, version):
        app.command(command.__name__)(command)
    app.command("setup-code")(setup_code)
