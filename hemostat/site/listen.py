"""Taking the port a process serves on, with an error that says who has it and what to do."""

from __future__ import annotations

import errno
import socket

from hemostat.base.failures import HemostatError, InUseError


def take_port(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket on `host`:`port`; `setting` is the name of the setting that chooses the port.

    Raises `InUseError` when another program has it, `HemostatError` when the system refuses for another reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InUseError(
                f"Port {port} on {host} is used by another program.",
                f"Stop that program, or choose another port: HEMOSTAT_{setting.upper()}={port + 1}.",
            ) from error
        raise HemostatError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            f"Set HEMOSTAT_HOST to an address of this machine and HEMOSTAT_{setting.upper()} to a port you may use.",
        ) from error
    listener.setblocking(False)
    listener.set_inheritable(False)
    return listener


def is_served(host: str, port: int) -> bool:
    """Whether some program accepts connections on `host`:`port`."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
