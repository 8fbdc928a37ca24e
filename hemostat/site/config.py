"""Settings of an installation: `HEMOSTAT_*` environment over `hemostat.toml` over defaults. Free of Django."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec


class ConfigError(ValueError):
    """A setting is wrong; the message names it, what was found, and what would be right."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Names in the environment are `HEMOSTAT_` and the upper-case name."""

    data_dir: str = "data"
    """Folder for the embedded database, keys and logs of this installation."""
    database_url: str = ""
    """`postgresql://…` of your own server (15 or newer); empty: the embedded one. Also read from DATABASE_URL."""
    public_url: str = "http://localhost:8080"
    """The address by which people and links in messages reach the pages; not set: localhost and `web_port`."""
    host: str = "127.0.0.1"
    """Address on which the processes listen."""
    web_port: int = 8080
    intake_port: int = 4318
    secret_key: str = ""
    """Key for sessions and stored secrets; empty: made at the first start and kept in the data folder (0600)."""
    allowed_hosts: list[str] = []
    """Further host names by which the pages may be asked for, besides that of `public_url` and this machine's."""
    trusted_proxies: list[str] = []
    """Addresses of reverse proxies whose `X-Forwarded-*` headers are believed."""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_security: str = "starttls"
    """`starttls`, `tls` or `none`."""
    mail_from: str = "Hemostat <hemostat@localhost>"
    resolve_quiet_s: int = 120
    """A mitigated incident resolves by itself after its KPI was back this long; seconds."""
    runner_label: str = "default"
    """Which command steps this machine's engine runs."""
    webhook_allow_private: bool = False
    """Let webhooks and HTTP steps go to private and loopback addresses."""
    debug: bool = False


def load(environ: Mapping[str, str], toml: Path | None = None) -> Config:
    """Read the settings; raises `ConfigError` naming the setting at fault."""
    values: dict[str, object] = {}
    file = toml or Path(environ.get("HEMOSTAT_CONFIG", "hemostat.toml"))
    if file.is_file():
        try:
            values.update(tomllib.loads(file.read_text()))
        except (tomllib.TOMLDecodeError, OSError) as error:
            raise ConfigError(f"{file}: {error}") from error
    if url := environ.get("DATABASE_URL"):
        values["database_url"] = url
    fields = {f.name: f for f in msgspec.structs.fields(Config)}
    for name, field in fields.items():
        text = environ.get(f"HEMOSTAT_{name.upper()}")
        if text is not None:
            values[name] = [p.strip() for p in text.split(",") if p.strip()] if field.type == list[str] else text
    try:
        found = msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explained(str(error), values)) from error
    if "public_url" not in values:
        found = msgspec.structs.replace(found, public_url=f"http://localhost:{found.web_port}")
    return found


def _explained(message: str, values: Mapping[str, object]) -> str:
    """Msgspec's "Expected `int`, got `str` - at `$.web_port`", told with the setting's name and value."""
    wanted, _, path = message.partition(" - at `$.")
    name = path.rstrip("`").partition("[")[0]
    if name not in values:
        return f"Settings: {message}. See docs/settings.md for the names there are."
    shown = "…" if "secret" in name or "password" in name else repr(values[name])
    return f"HEMOSTAT_{name.upper()} is {shown}: {wanted.partition(',')[0].lower().replace('`', '')} is needed."


@cache
def config() -> Config:
    """The settings of this process."""
    return load(os.environ)
