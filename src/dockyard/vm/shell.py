"""One boot with a person in a shell on a virtio console, for which the guest needs no SSH server.

The shell is a service of its own in the guest (systemd-run(1)) with /dev/hvc0 as its terminal. It
knows the size of the person's terminal, and hears when that changes.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from dockyard.host.sandbox import Tools
from dockyard.host.window import settings_kept, terminal_kind, watched_window
from dockyard.vm import credentials, script
from dockyard.vm.agent import Agent
from dockyard.vm.errand import Errand
from dockyard.vm.guest import Progress
from dockyard.vm.launch import Terminal, start
from dockyard.vm.qemu import Disk, Machine
from dockyard.vm.report import RecordKind

# In the background, so that the guest goes on to take scripts: the size of the terminal changes.
_RUN = """\
tries=0
until [ -c /dev/hvc0 ] || [ $tries = 100 ]; do tries=$((tries + 1)); sleep 0.1; done
shell=$(getent passwd {user} | cut -d: -f7)
case ${{shell:-/bin/sh}} in */nologin|*/false) shell=/bin/sh ;; esac
{{
    systemd-run --quiet --collect --wait --unit=dockyard-shell --service-type=exec \\
        --property=StandardInput=tty-force --property=StandardOutput=tty \\
        --property=StandardError=tty --property=TTYPath=/dev/hvc0 \\
        --property=TTYRows={rows} --property=TTYColumns={columns} \\
        --property=WorkingDirectory=-~ --property=IgnoreSIGPIPE=no --property=SendSIGHUP=yes \\
        --uid={user} --setenv=TERM={term} -- "${{shell:-/bin/sh}}" -l 2>/run/dockyard/why
    status=$?
    [ ! -s /run/dockyard/why ] || say trouble - 1 "the shell: $(tail -n 5 /run/dockyard/why)"
    say status - $status ''
}} &
"""
_RESIZE = "stty -F /dev/hvc0 rows {rows} cols {columns} 2>/dev/null\n"


def shell_script(user: str, size: tuple[int, int], term: str) -> bytes:
    """What starts the shell. size: rows and columns. term: the kind of terminal."""
    rows, columns = size
    text = _RUN.format(user=shlex.quote(user), rows=rows, columns=columns, term=shlex.quote(term))
    return script.framed(text.encode())


def resize_script(size: tuple[int, int]) -> bytes:
    """What tells the shell that its terminal has another size."""
    rows, columns = size
    return script.framed(_RESIZE.format(rows=rows, columns=columns).encode())


def open_shell(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    user: str,
    errand: Errand,
    *,
    console: Path,
    timeout: float,
    terminal: Terminal | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    begun: Callable[[], None] = lambda: None,
) -> int:
    """Boot an image, and give a person a shell; gives its exit status. The guest ends with it.

    errand: is done before. console: a file that receives what the guest prints. timeout: seconds
    until the shell is there. begun: is called when it is. Raises DockyardError.
    """
    with (
        settings_kept(),
        watched_window() as window,
        console.open("wb") as log,
        start(
            machine,
            disk,
            tools,
            directory=console.parent,
            smbios=[
                *credentials.for_checks(script.HELLO, script.EMERGENCY),
                *credentials.without_login("hvc0"),
            ],
            terminal=terminal or Terminal(sys.stdin.fileno(), sys.stdout.fileno()),
        ) as (session, told),
    ):
        agent = Agent(session, told, console, log.write, errand, progress=progress)
        agent.until(RecordKind.READY, timeout)
        begun()
        agent.send(shell_script(user, window.size, terminal_kind()))
        while not agent.is_over:
            if (status := agent.ended_with()) is not None:
                if disk.kept:
                    agent.power_off()
                return status
            if window.has_changed():
                agent.send(resize_script(window.size))
        return session.status or 0
