"""Working on incidents from a terminal, from anywhere: these commands speak the REST API with a token of yours."""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Annotated, Any

import httpx
import typer

from hemostat.base.console import Json, NotAllowedError, NotFoundError, RefusedError, UnreachableError, UsageError, emit

NAME = ""
app = typer.Typer(no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="The incident, such as INC-318.", metavar="INC-N")]

FINAL = {"helped", "did_not_help", "failed", "cancelled", "outcome_unknown"}
POLL_S = 1.0


class Client:
    """The REST API of the installation at HEMOSTAT_URL, as whom HEMOSTAT_TOKEN stands for."""

    def __init__(self) -> None:
        self.url = os.environ.get("HEMOSTAT_URL", "http://localhost:8080").rstrip("/")
        self.token = os.environ.get("HEMOSTAT_TOKEN", "")
        if not self.token:
            raise UsageError(
                "HEMOSTAT_TOKEN is not set: make a token on your profile page, or with `hemostat token create`, "
                "and put it into the environment"
            )

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call one operation; raises the error that fits its answer."""
        try:
            answer = httpx.request(
                method,
                f"{self.url}/api/v1{path}",
                json=body,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=15,
            )
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self.url} does not answer ({type(error).__name__}): is it running?") from error
        if answer.is_success:
            return answer.json()
        detail = _detail(answer)
        if answer.status_code in {401, 403}:
            raise NotAllowedError(f"{self.url} refuses: {detail}")
        if answer.status_code == 404:
            raise NotFoundError(detail)
        raise RefusedError(detail)


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")


def _local(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else "–"


@app.command()
def incidents(
    all_: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False, json: Json = False
) -> None:
    """List the open incidents, worst first."""
    rows = Client().ask("GET", "/incidents" if all_ else "/incidents?state=open")
    if not rows and not json:
        emit(rows, json=False, text="No incident is open." if not all_ else "There has been no incident yet.")
        return
    table = [
        ("INCIDENT", lambda r: r["code"]),
        ("SEVERITY", lambda r: f"P{r['severity']}"),
        ("STATE", lambda r: r["state"]),
        ("SINCE", lambda r: _local(r["onset_at"])),
        ("WHAT", lambda r: r["headline"]),
        ("WHY", lambda r: r["cause"]),
    ]
    emit(rows, json=json, table=table)


@app.command()
def ack(code: Code, json: Json = False) -> None:
    """Acknowledge an incident: your phone stops ringing, and you command until you hand over."""
    done = Client().ask("POST", f"/incidents/{code}/acknowledge")
    said = (
        f"{code} is yours." if done["changed"] else f"{code} was acknowledged before, or is over. Nothing was changed."
    )
    emit(done, json=json, text=said)


@app.command()
def note(code: Code, text: Annotated[str, typer.Argument(help="What to write.")], json: Json = False) -> None:
    """Write a note onto the timeline of an incident."""
    done = Client().ask("POST", f"/incidents/{code}/notes", {"text": text})
    emit(done, json=json, text=f"Written onto the timeline of {code}.")


@app.command()
def resolve(code: Code, json: Json = False) -> None:
    """Close an incident."""
    done = Client().ask("POST", f"/incidents/{code}/resolve")
    said = f"{code} is resolved." if done["changed"] else f"{code} was resolved before. Nothing was changed."
    emit(done, json=json, text=said)


@app.command()
def run(
    code: Code,
    plan: Annotated[str, typer.Argument(help="The plan's slug; without it, the options are listed.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the outcome.")] = False,
    json: Json = False,
) -> None:
    """Run a plan for an incident and watch it; exit code 1 when it did not help."""
    client = Client()
    if not plan:
        _options(client, code, json=json)
        return
    started = client.ask("POST", f"/incidents/{code}/runs", {"plan": plan})
    if no_wait:
        emit(started, json=json, text=f"{started['plan_name']} is running.")
        return
    finished = _watch(client, started["id"], quiet=json)
    emit(finished, json=json, text=finished["outcome"])
    if finished["state"] != "helped":
        raise typer.Exit(1)


def _options(client: Client, code: str, *, json: bool) -> None:
    rows = client.ask("GET", f"/incidents/{code}/options")
    if not rows and not json:
        emit(rows, json=False, text=f"No prepared plan fits {code}.")
        return
    table = [
        ("PLAN", lambda r: r["slug"]),
        ("WHAT IT DOES", lambda r: r["name"]),
        ("WORKED", lambda r: f"{r['helped']} of {r['runs']}"),
        ("TAKES ABOUT", lambda r: f"{r['about_s']} s"),
        ("WHY", lambda r: r["why"]),
    ]
    emit(rows, json=json, table=table)


def _watch(client: Client, run_id: int, *, quiet: bool) -> dict[str, Any]:
    """Follow a run to its end, printing each step as it moves."""
    shown: dict[int, str] = {}
    while True:
        found: dict[str, Any] = client.ask("GET", f"/runs/{run_id}")
        for step in found["steps"]:
            if not quiet and shown.get(step["position"]) != step["state"] and step["state"] != "waiting":
                shown[step["position"]] = step["state"]
                typer.echo(f"{step['position'] + 1}. {step['name']}: {step['state']}")
        if found["state"] in FINAL:
            return found
        time.sleep(POLL_S)
