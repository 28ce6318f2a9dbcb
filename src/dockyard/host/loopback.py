"""Ports of this host's loopback address, and whether an SSH server answers behind one."""

from __future__ import annotations

import socket
from contextlib import suppress

ADDRESS = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as made:
        made.bind((ADDRESS, 0))
        return int(made.getsockname()[1])


def free_port_from(first: int) -> int:
    """The first TCP port from one on that nobody listens on at the moment; any where many are
    taken.
    """
    for port in range(first, first + 100):
        with socket.socket() as made, suppress(OSError):
            made.bind((ADDRESS, port))
            return port
    return free_port()


def answers_ssh(port: int, seconds: float) -> bool:
    """Whether what listens on a port greets as SSH servers do (RFC 4253, 4.2) within a time."""
    try:
        with socket.create_connection((ADDRESS, port), timeout=seconds) as connection:
            return connection.recv(4).startswith(b"SSH-")
    except OSError:
        return False
