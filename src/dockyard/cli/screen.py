"""The screen of a guest, which a person looks at with a VNC viewer of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dockyard.vm.qemu import Machine


@contextmanager
def screen(machine: Machine, wanted: bool) -> Iterator[Machine]:
    """The machine with a screen, where that is wanted, for as long as a block runs; its address and
    its password are told.
    """
    if not wanted:
        yield machine
        return
    from tempfile import TemporaryDirectory

    from dockyard.host.files import write_atomic
    from dockyard.host.loopback import ADDRESS, free_port_from
    from dockyard.host.random import password
    from dockyard.vm.devices import FIRST_VNC_PORT, Graphics

    with TemporaryDirectory(prefix="dockyard-screen-") as name:
        secret, file = password(), Path(name) / "password"
        write_atomic(file, secret.encode(), 0o600, outlasts_power=False)
        port = free_port_from(FIRST_VNC_PORT)
        click.echo(f"screen: vnc://{ADDRESS}:{port}, password {secret}", err=True)
        yield replace(machine, graphics=Graphics(port, file))
