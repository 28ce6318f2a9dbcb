"""A guest on the terminal: what it is asked, shown while it starts, and a shell in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal

if TYPE_CHECKING:
    from rich.status import Status

    from dockyard.host.sandbox import Tools
    from dockyard.tree.check import Check, Question, Unasked
    from dockyard.vm.errand import Errand
    from dockyard.vm.guest import Progress
    from dockyard.vm.qemu import Disk, Machine
    from dockyard.vm.verdict import Verdict

COMMAND_LINE_CHECK = "kernel.command-line"


def apart(questions: Sequence[Question], show_kernel: bool) -> tuple[list[Check], list[Unasked]]:
    """What to ask a guest, and what not. show_kernel: whether its command line has the console."""
    from dockyard.tree.check import Check, Unasked

    asked = [item for item in questions if isinstance(item, Check)]
    unasked = [item for item in questions if isinstance(item, Unasked)]
    if show_kernel:
        asked = [item for item in asked if item.id != COMMAND_LINE_CHECK]
        unasked.append(Unasked("the kernel command line", "--console adds to it"))
    return asked, unasked


def log_in(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    user: str,
    key: Path | None,
    errand: Errand,
    timeout: int,
    log: Path,
) -> int:
    """A login over SSH, with which the guest ends; gives the exit status. timeout: seconds to come
    up. log: where its console goes. Raises DockyardError.
    """
    from dockyard.vm import access

    login = access.Login(user, key.absolute() if key else None)
    with progress_shown() as shown:

        def ready(command: str) -> None:
            shown.stop()
            click.echo(f"meanwhile others log in with: {command}", err=True)

        return access.log_in(
            disk,
            tools,
            machine,
            login,
            errand,
            console=log,
            timeout=timeout,
            progress=shown.show,
            ready=ready,
        )


def open_shell(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    user: str,
    errand: Errand,
    timeout: int,
    log: Path,
) -> int:
    """A shell on a console of the guest, as `log_in`."""
    from dockyard.vm import shell

    with progress_shown() as shown:
        return shell.open_shell(
            disk,
            tools,
            machine,
            user,
            errand,
            console=log,
            timeout=timeout,
            progress=shown.show,
            begun=shown.stop,
        )


def run_checks(
    disk: Disk,
    checks: Sequence[Check],
    tools: Tools,
    machine: Machine,
    timeout: int,
    show_kernel: bool,
    log: Path,
    power_off: bool,
) -> Verdict:
    """Start a guest, and ask it. timeout, log: see `log_in`. power_off: shut it down in order.
    Raises DockyardError.
    """
    from dockyard.vm.guest import ask

    with progress_shown() as shown:
        return ask(
            disk.path,
            disk.format,
            checks,
            tools,
            console=log,
            machine=machine,
            timeout=timeout,
            show_kernel=show_kernel,
            power_off=power_off,
            progress=shown.show,
            notice=lambda text: click.echo(text, err=True),
        )


class _Shown:
    """The stage of a boot on standard error; nothing where that is no terminal."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def show(self, progress: Progress) -> None:
        """Say how far it is."""
        if self._status is not None:
            detail = f", {progress.detail}" if progress.detail else ""
            stage = progress.stage.title
            self._status.update(f"{stage}{detail} [dim]{progress.seconds:.0f} s[/]")

    def stop(self) -> None:
        """Leave the terminal to what is printed from now on."""
        if self._status is not None:
            self._status.stop()
            self._status = None


@contextmanager
def progress_shown() -> Iterator[_Shown]:
    """Shows the stage of a boot for as long as the block runs, or until it is stopped."""
    if not terminal.draws():
        yield _Shown(None)
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status("firmware") as status:
        yield _Shown(status)
