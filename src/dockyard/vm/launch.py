"""Starts QEMU in the sandbox for one boot, with a work directory and firmware variables of its own.

The sandbox sees the image, read-only unless it is to be kept, and the work directory; it has no
network unless the machine has one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from dockyard.host.sandbox import Tools
from dockyard.host.session import Session, open_session
from dockyard.vm.accel import KVM
from dockyard.vm.qemu import (
    Accel,
    Disk,
    Firmware,
    Machine,
    command,
    copy_writable,
    find_firmware,
)

CHANNELS = ("console", "report", "monitor")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the guest's serial console is, instead of a channel: an input and an output."""

    stdin: IO[bytes] | int
    stdout: IO[bytes] | int


@contextmanager
def start(
    machine: Machine,
    disk: Disk,
    tools: Tools,
    *,
    directory: Path,
    smbios: Sequence[str] = (),
    firmware_variables: Path | None = None,
    terminal: Terminal | None = None,
) -> Iterator[tuple[Session, Path]]:
    """Run a guest while the block runs, with a work directory of its own below `directory`. Gives
    the session, with the channels of CHANNELS, and the file of QEMU's own messages.

    terminal: takes the place of all channels.
    """
    found = find_firmware(tools.root, machine.secure_boot)
    with TemporaryDirectory(prefix="dockyard-boot-", dir=directory) as name:
        work = Path(name)
        firmware = Firmware(found.code, work / "variables")
        copy_writable(firmware_variables or found.variables, firmware.variables)
        errors = work / "errors"

        def launch(channels: Mapping[str, int]) -> subprocess.Popen[bytes]:
            with errors.open("wb") as stderr:
                return tools.start(
                    command(machine, disk, firmware, channels=channels, smbios=smbios),
                    read=[] if disk.kept else [disk.path],
                    write=[work, disk.path] if disk.kept else [work],
                    devices=[KVM] if machine.accel is Accel.KVM else [],
                    network=machine.network or bool(machine.forwards),
                    stdin=terminal.stdin if terminal else None,
                    stdout=terminal.stdout if terminal else None,
                    stderr=stderr,
                    env={"TMPDIR": str(work)},
                    pass_fds=tuple(channels.values()),
                )

        with open_session(() if terminal else CHANNELS, launch) as session:
            yield session, errors
