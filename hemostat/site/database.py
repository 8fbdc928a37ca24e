"""Where the database is: your own by URL, or the embedded one in the data folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from hemostat.site.config import Config, ConfigError

POOL = {"min_size": 2, "max_size": 8, "timeout": 10}


def socket_directory(config: Config) -> Path:
    """Where the embedded server's socket is: `run` in the data folder, or where that link points (`placement`)."""
    return (Path(config.data_dir) / "run").resolve()


def conninfo(config: Config, name: str = "hemostat") -> str:
    """The database as a libpq URL, for processes that run without Django; `name` only counts for the embedded one.

    Raises `ConfigError` when `database_url` is of another kind of database.
    """
    if config.database_url:
        scheme = config.database_url.partition("://")[0]
        if scheme not in {"postgresql", "postgres"}:
            raise ConfigError(
                f"HEMOSTAT_DATABASE_URL (or DATABASE_URL): postgresql://… is needed, not {scheme[:20]}://…"
            )
        return config.database_url
    return f"postgresql://postgres@/{name}?host={quote(str(socket_directory(config)), safe='/')}"


def shown(config: Config) -> str:
    """The database as it may be shown: without the password."""
    if not config.database_url:
        return f"embedded, in {(Path(config.data_dir) / 'pg').resolve()}"
    url = urlsplit(config.database_url)
    return urlunsplit(url._replace(netloc=re.sub(r":[^@/]*@", ":…@", url.netloc), query=""))


def django_database(config: Config, *, pooled: bool) -> dict[str, Any]:
    """The entry for Django's DATABASES; raises `ConfigError` when the URL is for another.

    The web process shares a pool among its threads; everything else keeps one connection a thread. Health checks
    stay on: without them the first requests after a restart of the server fail.
    """
    url = urlsplit(conninfo(config))
    options: dict[str, Any] = dict(parse_qsl(url.query))
    host = options.pop("host", None) or unquote(url.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")) or "hemostat",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": host,
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": 0 if pooled else None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**options, **({"pool": dict(POOL)} if pooled else {})},
    }
