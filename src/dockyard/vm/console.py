"""One boot with a person at the serial console, as `qemu -nographic` has it: Ctrl-A X ends it."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import gettempdir

from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import Tools
from dockyard.host.window import settings_kept
from dockyard.vm import credentials, script
from dockyard.vm.agent import Agent
from dockyard.vm.errand import Errand
from dockyard.vm.launch import Terminal, start
from dockyard.vm.qemu import Disk, Machine

ESCAPES = "Ctrl-A X ends the machine, Ctrl-A H lists the other keys"
_POLL_SECONDS = 3600.0


def interact(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    *,
    show_kernel: bool = True,
    autologin: str = "",
    errand: Errand | None = None,
    terminal: Terminal | None = None,
) -> None:
    """Boot an image with this process's terminal as its console, until it ends.

    show_kernel: put the serial port on the kernel's command line, so that the console is seen.
    autologin: a user who is logged in there without a password; the image is not changed by it.
    errand: what the guest is to do when its services start; what goes wrong with it is told there.
    Raises DockyardError when QEMU cannot run it.
    """
    smbios = credentials.for_console(machine.serial) if show_kernel else []
    smbios += credentials.for_autologin(autologin, machine.serial) if autologin else []
    smbios += credentials.for_checks(script.HELLO, script.EMERGENCY) if errand else []
    directory = Path(gettempdir())
    with (
        settings_kept(),
        start(
            machine,
            disk,
            tools,
            directory=directory,
            smbios=smbios,
            terminal=terminal or Terminal(sys.stdin.fileno(), sys.stdout.fileno()),
            channels=("report", "monitor") if errand else (),
        ) as (session, errors),
    ):
        agent = Agent(session, errors, errors, lambda _: None, errand) if errand else None
        while session.status is None:
            if agent:
                agent.look(_POLL_SECONDS)
            else:
                session.wait(_POLL_SECONDS)
        told = errors.read_text(errors="replace").strip().splitlines()
    if session.status:
        raise DockyardError(
            Problem(
                code="vm.qemu-failed",
                what="QEMU could not run the guest",
                where=str(disk.path),
                why=told[0] if told else f"it ended with status {session.status}",
                fix="boot it without the host's processor: --accel tcg",
                excerpt=tuple(told[1:10]),
            )
        )
