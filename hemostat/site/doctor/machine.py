"""The doctor's look at this machine: Python, settings, the data folder, the key, ports, time zones."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from hemostat.base.failures import HemostatError
from hemostat.site.config import Config
from hemostat.site.doctor.findings import Finding, fine, note, wrong
from hemostat.site.listen import is_served, take_port
from hemostat.site.postgres import LEAST_FREE

TIGHT = 2 * 1024 * 1024 * 1024
"""Free bytes below which it is time to make room."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def examine(settings: Config) -> Iterator[Finding]:
    """Each thing that this machine must have."""
    yield _python()
    yield from _data_folder(Path(settings.data_dir).resolve())
    yield _key_file(settings)
    yield _port(settings.host, settings.web_port, "web", "web_port")
    yield _port(settings.host, settings.intake_port, "intake", "intake_port")
    yield _public_url(settings)
    yield _time_zones()


def _python() -> Finding:
    return fine("python", f"{platform.python_version()}, {sys.executable}")


def _data_folder(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        yield note("data folder", f"{folder} is not there yet", "`hemostat up` makes it.")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield wrong(
            "data folder",
            f"{folder} cannot be written",
            "Make it writable for the user that runs Hemostat, or choose another with HEMOSTAT_DATA_DIR.",
        )
        return
    yield fine("data folder", str(folder))
    free = shutil.disk_usage((folder / "pg").resolve() if (folder / "pg").exists() else folder).free
    amount = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        yield wrong("disk", amount, "Make room: nothing can be stored.")
    elif free < TIGHT:
        yield note("disk", amount, "Make room soon.")
    else:
        yield fine("disk", amount)


def _key_file(settings: Config) -> Finding:
    if settings.secret_key:
        return fine("key", "from HEMOSTAT_SECRET_KEY")
    path = Path(settings.data_dir).resolve() / "secret.key"
    if not path.exists():
        return note("key", f"{path} is not there yet", "It is made at the first start; keep a copy with your backups.")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return wrong("key", f"{path} may be read by others (mode {mode:o})", f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        return wrong("key", f"{path} cannot be read", "Run as the user that started Hemostat first.")
    return fine("key", f"{path}, only for its owner")


def _port(host: str, port: int, process: str, setting: str) -> Finding:
    check = f"port {port}"
    if is_served(host, port):
        if _is_ours(host, port):
            return fine(check, f"the {process} process answers")
        return wrong(
            check,
            "used by another program",
            f"Stop that program, or choose another port with HEMOSTAT_{setting.upper()}.",
        )
    try:
        take_port(host, port, setting=setting).close()
    except HemostatError as error:
        return wrong(check, error.what, error.do)
    return note(check, f"free; the {process} process is not running here", "Start it: `hemostat up`.")


def _is_ours(host: str, port: int) -> bool:
    try:
        with urlopen(f"http://{host}:{port}/-/healthy", timeout=3) as answer:
            body = answer.read(100)
    except (URLError, OSError):
        return False
    try:
        return bool(json.loads(body)["status"] == "healthy")
    except (ValueError, KeyError, TypeError):
        return bool(body.strip() == b"OK")


def _public_url(settings: Config) -> Finding:
    url = urlsplit(settings.public_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        return wrong(
            "public address",
            f"HEMOSTAT_PUBLIC_URL is {settings.public_url}",
            "Set it to the address people use, such as https://hemostat.example.org.",
        )
    if settings.host not in LOOPBACK and url.hostname in LOOPBACK:
        return wrong(
            "public address",
            f"{settings.public_url}, while other machines may reach this one",
            "Set HEMOSTAT_PUBLIC_URL to the address people use: links in messages lead there.",
        )
    if url.hostname in LOOPBACK:
        return note(
            "public address",
            f"{settings.public_url}: only this machine reaches it",
            "Before somebody else is paged, set HEMOSTAT_PUBLIC_URL to an address that a phone can open.",
        )
    if url.scheme == "http":
        return note("public address", f"{settings.public_url} is not encrypted", "Serve it by https behind a proxy.")
    return fine("public address", settings.public_url)


def _time_zones() -> Finding:
    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        return wrong(
            "time zones",
            "this machine has no time zone data",
            "Install tzdata (apt install tzdata, or pip install tzdata).",
        )
    return fine("time zones", f"{len(zoneinfo.available_timezones())} known")
