"""The installation's key: made once, kept 0600 in the data folder, rotated by putting a new one in front."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hemostat.site.config import Config, ConfigError


def signing_keys(config: Config) -> list[str]:
    """The present key first, then retired ones that are still accepted (one a line in the key file).

    `HEMOSTAT_SECRET_KEY` may name several, separated by commas; else the key file is read, or made.
    Raises `ConfigError` where neither can be had.
    """
    if config.secret_key:
        return [k.strip() for k in config.secret_key.split(",") if k.strip()]
    path = Path(config.data_dir) / "secret.key"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(48) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        keys = [line for line in path.read_text().split() if line]
    except OSError as error:
        raise ConfigError(f"key file {path}: {error.strerror}") from error
    if not keys:
        raise ConfigError(f"key file {path} is empty; restore it from a backup, or delete it to sign everybody out")
    return keys
