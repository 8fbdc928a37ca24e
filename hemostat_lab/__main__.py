"""`python -m hemostat_lab up | fault NAME | heal | status`: the lab by itself, from the command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from hemostat_lab import control, injector, traffic
from hemostat_lab.layout import Layout, Telemetry, shuffled_names


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 done; 1 it could not be done; 2 the command line is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m hemostat_lab", description="A small shop to watch, break and heal."
    )
    parser.add_argument("--folder", type=Path, default=Path("data/lab"), help="where this lab keeps itself")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the shop and its users, until Ctrl-C")
    up.add_argument(
        "--endpoint",
        default="",
        help="OTLP/HTTP address for traces; the token is read from HEMOSTAT_LAB_TOKEN",
    )
    up.add_argument("--rate", type=float, default=traffic.RATE, help="requests a second")
    up.add_argument("--shuffle", type=int, metavar="SEED", help="give the services each other's names")
    fault = commands.add_parser("fault", help="break something")
    fault.add_argument("name", choices=sorted(injector.FAULTS))
    commands.add_parser("heal", help="do what an operator would do about it")
    commands.add_parser("status", help="what runs where, and what users meet")
    given = parser.parse_args(argv)
    try:
        return _COMMANDS[given.command](given)
    except (control.OperationError, injector.InjectionError) as error:
        print(error, file=sys.stderr)
    except FileNotFoundError:
        print(f"there is no lab in {given.folder}: start one with `up`", file=sys.stderr)
    return 1


def _up(given: argparse.Namespace) -> int:
    lab = control.Lab(
        given.folder,
        telemetry=Telemetry(given.endpoint, os.environ.get("HEMOSTAT_LAB_TOKEN", "")),
        names=shuffled_names(given.shuffle) if given.shuffle is not None else None,
        rate=given.rate,
    )
    stop = threading.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: stop.set())
    with lab:
        print(f"The shop is up; {given.rate:g} requests a second. Ctrl-C stops it.", flush=True)
        stop.wait()
    return 0


def _fault(given: argparse.Namespace) -> int:
    injector.FAULTS[given.name](Layout.load(given.folder))
    return 0


def _heal(given: argparse.Namespace) -> int:
    print(*control.heal(Layout.load(given.folder)) or ["There is nothing to heal."], sep="\n")
    return 0


def _status(given: argparse.Namespace) -> int:
    layout = Layout.load(given.folder)
    print(json.dumps({**control.Operations(layout).status(), "traffic": control.read_traffic(layout)}, indent=2))
    return 0


_COMMANDS = {"up": _up, "fault": _fault, "heal": _heal, "status": _status}

if __name__ == "__main__":
    sys.exit(main())
