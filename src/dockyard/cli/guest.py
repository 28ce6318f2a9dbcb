"""A guest on the terminal: what it is asked, shown while it starts, and a shell in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.tree.check import Check, Question, Unasked
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
    timeout: int,
    log: Path,
) -> int:
    """A shell in a guest, which ends with it; gives the exit status. timeout: seconds to come up.
    log: where its console goes. Raises DockyardError.
    """
    from dockyard.vm import access

    def ready(command: str) -> None:
        click.echo(f"meanwhile others log in with: {command}", err=True)

    login = access.Login(user, key.absolute() if key else None)
    return access.log_in(disk, tools, machine, login, console=log, timeout=timeout, ready=ready)


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

    with _progress() as progress:
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
            progress=progress,
            notice=lambda text: click.echo(text, err=True),
        )


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Shows the stage of the boot on standard error, when that is a terminal."""
    if not terminal.draws():
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status("firmware") as status:

        def show(progress: Progress) -> None:
            detail = f", {progress.detail}" if progress.detail else ""
            status.update(f"{progress.stage.title}{detail} [dim]{progress.seconds:.0f} s[/]")

        yield show
