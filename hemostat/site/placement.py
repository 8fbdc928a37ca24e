"""Where the embedded server's files go: in the data folder, and elsewhere only where the system leaves no choice.

Two things can stand in the way. PostgreSQL refuses to run as root, so a data folder below a home that only root
may enter is out of its reach: the files then go below `/var/lib/hemostat`. And the path of a Unix socket is short
by law of the system: a long data folder gets a short private socket folder. In both cases a link in the data folder
(`pg`, `run`) tells every process, and every person, where to look.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hemostat.base.failures import HemostatError, StorageError

SOCKET_PATH_LIMIT = 103
"""Longest path of a Unix socket, bytes: 107 on Linux, 103 on macOS."""

OUTSIDE = Path("/var/lib/hemostat")
"""Where clusters go that root's own folders would hide from the server's user."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The folders of the embedded server; `notes` are sentences for the console about what was chosen and why."""

    cluster: Path
    sockets: Path
    home: Path
    account: Account | None
    notes: list[str] = field(default_factory=list)


def server_account(cluster: Path) -> Account | None:
    """Whom to run the server as: None (ourselves) for an ordinary user; as root the cluster's owner, else a user
    made for such things. Raises `StorageError` where the cluster belongs to somebody else."""
    owner = cluster.stat().st_uid if cluster.exists() else None
    me = os.geteuid()
    if me != 0:
        if owner is not None and owner != me:
            name = _name_of(owner)
            raise StorageError(
                f"The database files in {cluster} belong to the user {name}, not to you.",
                f"Run as {name}, or choose another folder with HEMOSTAT_DATA_DIR.",
            )
        return None
    if owner:
        entry = pwd.getpwuid(owner)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise HemostatError(
        "PostgreSQL does not run as root, and this system has no user `postgres` or `nobody` to run it as.",
        "Run Hemostat as an ordinary user, or set DATABASE_URL to a server of your own.",
    )


def place(data: Path) -> Placement:
    """Decide where the server's files are, and make the folders; the same answer at every start."""
    cluster, sockets = data / "pg", data / "run"
    notes: list[str] = []
    if cluster.is_symlink() and not cluster.exists():
        raise StorageError(
            f"{cluster} points to {cluster.readlink()}, which is gone: the database files are missing.",
            f"Bring that folder back, or delete {cluster} to start with an empty database.",
        )
    account = server_account(cluster)
    if account is not None and not can_enter(account, data):
        if cluster.is_dir() and not cluster.is_symlink():
            raise StorageError(
                f"PostgreSQL runs as {account.name} here, and {account.name} may not enter {data}.",
                f"Let it: `chmod o+x` on each folder above {cluster}, or move the data folder.",
            )
        if not cluster.is_symlink():
            _link_outside(data, account)
            notes.append(
                f"PostgreSQL does not run as root, and {account.name} may not enter {data}. "
                f"The database files are in {cluster.resolve()}; {cluster} points there."
            )
    home = cluster.resolve().parent
    sockets = _socket_folder(data, home, account)
    return Placement(cluster=cluster.resolve(), sockets=sockets, home=home, account=account, notes=notes)


def can_enter(account: Account, folder: Path) -> bool:
    """Whether `account` may pass through `folder`, asked of the system itself."""
    return run_as(account, ["test", "-x", str(folder)]).returncode == 0


def run_as(account: Account | None, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a short command as `account` and return what came of it; exit code 126 when it may not be run at all."""
    others: list[str | int] | None = [] if account else None
    user, group = (account.uid, account.gid) if account else (None, None)
    try:
        return subprocess.run(
            argv, cwd="/", check=False, capture_output=True, user=user, group=group, extra_groups=others
        )
    except PermissionError as error:
        return subprocess.CompletedProcess(argv, 126, b"", str(error).encode())


def make_private(folder: Path, account: Account | None) -> None:
    """Make `folder`, for the server's user alone; `StorageError` where it belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    elif folder.stat().st_uid != os.geteuid():
        raise StorageError(
            f"{folder} belongs to the user {_name_of(folder.stat().st_uid)}.",
            "Delete it if it is left over, or choose another folder with HEMOSTAT_DATA_DIR.",
        )
    folder.chmod(0o700)


def _link_outside(data: Path, account: Account) -> None:
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not can_enter(account, OUTSIDE):
        raise StorageError(
            f"PostgreSQL runs as {account.name} here, which may enter neither {data} nor {OUTSIDE}.",
            "Choose a folder that it may enter with HEMOSTAT_DATA_DIR, or run Hemostat as an ordinary user.",
        )
    home = Path(tempfile.mkdtemp(prefix=f"{data.name}-", dir=OUTSIDE))
    home.chmod(0o755)
    make_private(home / "pg", account)
    (data / "pg").symlink_to(home / "pg")


def _socket_folder(data: Path, home: Path, account: Account | None) -> Path:
    link = data / "run"
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not link.exists():
        wanted = home / "run"
        if not _fits(wanted):
            wanted = Path(tempfile.mkdtemp(prefix="hemostat-", dir="/tmp"))
        if wanted.resolve() != link.resolve():
            link.symlink_to(wanted)
    folder = link.resolve()
    make_private(folder, account)
    return folder


def _fits(folder: Path) -> bool:
    # libpq takes a comma in a host for a list of hosts.
    path = str(folder / ".s.PGSQL.5432")
    return len(path.encode()) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./+@ -]+", path) is not None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"
