"""What every test stands on: a real PostgreSQL of its own, and no sockets but its own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_DATA = Path(tempfile.mkdtemp(prefix="hemostat-test-"))
_DATA.chmod(0o755)
os.environ["HEMOSTAT_DATA_DIR"] = str(_DATA)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The socket folder of a PostgreSQL server started for this test session."""
    from hemostat.site.postgres import Cluster

    cluster = Cluster(_DATA / "pg", _DATA / "run", {"fsync": "off", "full_page_writes": "off"})
    process = cluster.start()
    yield cluster.socket_dir
    process.send_signal(signal.SIGINT)
    process.wait(30)
    shutil.rmtree(_DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: Path, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Point Django at the server of this session."""
    from django.db import connections

    for target in (connections["default"].settings_dict, connections.settings["default"]):
        target.update(HOST=str(postgres), USER="postgres", NAME="hemostat", PASSWORD="", PORT="")
        target["OPTIONS"] = {}


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords quickly: the strength of the real hash is Django's to test, and it costs 0.3 s each time."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield
