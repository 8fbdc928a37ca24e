"""Where the database is: your own by URL, or the embedded one in the data folder."""

from __future__ import annotations

import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hemostat.site.config import Config, ConfigError

SOCKET_PATH_LIMIT = 107
"""Longest path of a Unix socket on Linux, bytes."""


def socket_directory(config: Config) -> Path:
    """Where the embedded server's socket is: in the data folder, or in a short private one when that is too long."""
    beside = (Path(config.data_dir) / "run").resolve()
    if len(str(beside / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
        return beside
    digest = blake2b(str(beside).encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"hemostat-{digest}"


def conninfo(config: Config) -> str:
    """The database as a libpq URL, for processes that run without Django."""
    if config.database_url:
        return config.database_url
    return f"postgresql://postgres@/hemostat?host={socket_directory(config)}"


def django_database(config: Config) -> dict[str, Any]:
    """The entry for Django's DATABASES; raises `ConfigError` naming what is wrong with the URL."""
    url = urlsplit(conninfo(config))
    if url.scheme not in {"postgresql", "postgres"}:
        raise ConfigError(f"database_url: wanted postgresql://…, found {url.scheme or 'no scheme'}://…")
    options: dict[str, Any] = dict(parse_qsl(url.query))
    host = options.pop("host", None) or unquote(url.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")) or "hemostat",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": host,
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**options, "pool": {"min_size": 1, "max_size": 8, "timeout": 10}},
    }
