"""Names, ports, secrets and folders of one lab, kept in its folder so that every process of it agrees."""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

PORTS = range(21000, 30000)
"""Below the ports given to outgoing connections, so that a restarted instance finds its own free."""


class Role(StrEnum):
    """What a service does; what it is called is up to the layout."""

    GATEWAY = "gateway"
    CHECKOUT = "checkout"
    PAYMENT = "payment"
    ORDERS = "orders"
    STORE = "store"


SERVICES = (Role.ORDERS, Role.PAYMENT, Role.CHECKOUT, Role.GATEWAY)
"""In the order in which they are started: the called before their callers."""
INSTANCES = 2
USUAL_NAMES: Mapping[Role, str] = {
    Role.GATEWAY: "gateway",
    Role.CHECKOUT: "checkout",
    Role.PAYMENT: "payment",
    Role.ORDERS: "orders",
    Role.STORE: "orders-db",
}


def shuffled_names(seed: int) -> dict[Role, str]:
    """The usual names, each on another role than its own: nothing may be keyed to them."""
    roles = list(Role)
    random.Random(seed).shuffle(roles)
    return {role: USUAL_NAMES[roles[(i + 1) % len(roles)]] for i, role in enumerate(roles)}


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port of this machine that nobody listens on."""
    for port in random.sample(PORTS, k=200):
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port found between {PORTS.start} and {PORTS.stop}")


@dataclass(frozen=True)
class Telemetry:
    """Where spans go. An empty endpoint sends them nowhere."""

    endpoint: str = ""
    """`http://127.0.0.1:4318/v1/traces`"""
    token: str = ""
    environment: str = "lab"
    """`deployment.environment.name`"""


@dataclass(frozen=True)
class Layout:
    """One lab. Made once by `Layout.open`, read by each of its processes with `Layout.load`."""

    folder: Path
    names: dict[Role, str]
    ports: dict[str, int]
    """by instance; the store's by its name"""
    operations_port: int
    telemetry: Telemetry
    store_password: str

    @classmethod
    def open(cls, folder: Path, *, names: Mapping[Role, str] | None, telemetry: Telemetry) -> Layout:
        """Make the lab's folder, or take up the one that is there.

        The operations door keeps its port and its token over restarts, because plans hold them; all other
        ports are chosen anew.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "private").mkdir(mode=0o700, exist_ok=True)
        try:
            former = cls.load(folder)
        except FileNotFoundError:
            former = None
        chosen = dict(names) if names else dict(former.names if former else USUAL_NAMES)
        operations_port = former.operations_port if former else free_port()
        ports: dict[str, int] = {}
        for instance in (
            chosen[Role.STORE],
            *(f"{chosen[role]}-{i + 1}" for role in SERVICES for i in range(INSTANCES)),
        ):
            ports[instance] = free_port(frozenset({operations_port, *ports.values()}))
        layout = cls(
            folder=folder,
            names=chosen,
            ports=ports,
            operations_port=operations_port,
            telemetry=telemetry,
            store_password=former.store_password if former else secrets.token_urlsafe(18),
        )
        layout._write()
        for path in (layout.operations_token_file, layout.release_token_file):
            if not path.exists():
                write_private(path, secrets.token_urlsafe(32))
        return layout

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Read the layout of the lab in `folder`; raises `FileNotFoundError` where there is none."""
        data = json.loads((folder / "lab.json").read_text())
        return cls(
            folder=folder.resolve(),
            names={Role(role): name for role, name in data["names"].items()},
            ports=data["ports"],
            operations_port=data["operations_port"],
            telemetry=Telemetry(**data["telemetry"]),
            store_password=data["store_password"],
        )

    def _write(self) -> None:
        data = asdict(replace(self, folder=Path())) | {"folder": ""}
        write_private(self.folder / "lab.json", json.dumps(data, indent=1))

    def instances(self, role: Role) -> list[str]:
        """The instances of a service."""
        return [f"{self.names[role]}-{i + 1}" for i in range(INSTANCES)]

    @property
    def operations_url(self) -> str:
        """Where plans ask the platform for something."""
        return f"http://127.0.0.1:{self.operations_port}"

    @property
    def operations_token_file(self) -> Path:
        """The token that plans hold."""
        return self.folder / "private" / "operations.token"

    @property
    def release_token_file(self) -> Path:
        """The token of the release pipeline; no plan has it."""
        return self.folder / "private" / "release.token"

    @property
    def release_socket(self) -> Path:
        """The door of the release pipeline."""
        return self.folder / "private" / "release.sock"

    @property
    def rotation_file(self) -> Path:
        """Who answers for each service at the moment."""
        return self.folder / "rotation.json"

    @property
    def ready_file(self) -> Path:
        """There while the shop is up; it holds the platform's process id."""
        return self.folder / "ready"

    @property
    def store_folder(self) -> Path:
        """The store's database cluster, wherever it had to be put."""
        return (self.folder / "pg").resolve()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
