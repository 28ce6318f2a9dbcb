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
    """Where a console of the guest is, instead of a channel: an input and an output. The console is
    the serial port; alone, that is what it is, and beside a channel for that a virtio console.
    """

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
    channels: Sequence[str] = CHANNELS,
) -> Iterator[tuple[Session, Path]]:
    """Run a guest while the block runs, with a work directory of its own below `directory`. Gives
    the session, with its channels, and the file of QEMU's own messages.

    terminal: the guest's, see Terminal.
    """
    found = find_firmware(tools.root, machine.secure_boot, machine.architecture)
    with TemporaryDirectory(prefix="dockyard-boot-", dir=directory) as name:
        work = Path(name)
        firmware = Firmware(found.code, work / "variables")
        copy_writable(firmware_variables or found.variables, firmware.variables)
        errors = work / "errors"

        shared = [share.directory for share in machine.shares if share.read_only]
        lent = [share.directory for share in machine.shares if not share.read_only]
        secrets = [machine.graphics.password] if machine.graphics else []
        at_terminal = terminal is not None and "console" in channels

        def launch(ends: Mapping[str, int]) -> subprocess.Popen[bytes]:
            with errors.open("wb") as stderr:
                return tools.start(
                    command(
                        machine,
                        disk,
                        firmware,
                        channels=ends,
                        smbios=smbios,
                        at_terminal=at_terminal,
                    ),
                    read=[*shared, *secrets, *([] if disk.kept else [disk.path])],
                    write=[work, *lent, *([disk.path] if disk.kept else [])],
                    devices=[KVM] if machine.accel is Accel.KVM else [],
                    network=machine.network or bool(machine.forwards or machine.graphics),
                    stdin=terminal.stdin if terminal else None,
                    stdout=terminal.stdout if terminal else None,
                    stderr=stderr,
                    env={"TMPDIR": str(work)},
                    pass_fds=tuple(ends.values()),
                )

        with open_session(channels, launch) as session:
            yield session, errors
