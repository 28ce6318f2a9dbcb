"""`dockyard run`: boot an image for one command, such as the tests of an application."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.bootable import (
    TIMEOUT,
    bootable,
    console_log,
    require_access,
    tools_of,
)
from dockyard.cli.guest import progress_shown
from dockyard.cli.guest_options import Given, guest_options
from dockyard.cli.machine import WantedMachine, machine_options
from dockyard.cli.options import store_option
from dockyard.cli.sought import YAML, Sought, sought_options
from dockyard.cli.verb import Verb, wants_json

if TYPE_CHECKING:
    from dockyard.vm.command import Ended

FAILURE = 125
"""The exit status where the command was not run, as other programs that run commands have it."""
_KEPT = 1 << 20  # bytes of each stream in the answer to a program
_LIMIT = 600


@click.command(cls=Verb, failure=FAILURE)
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.argument("words", metavar="-- COMMAND...", nargs=-1, required=True)
@click.option("--user", default="root", show_default=True, help="Who runs the command.")
@click.option("--directory", default="/", show_default=True, help="Where it runs, in the guest.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help=(
    "A variable of its environment."
))  # fmt: skip
@click.option("--timeout", type=click.IntRange(1), default=TIMEOUT, show_default=True,
              help="Seconds for the guest to come up.")  # fmt: skip
@click.option("--command-timeout", type=click.IntRange(1), default=_LIMIT, show_default=True,
              help="Seconds for the command; the status of one that takes longer is 124."
              )  # fmt: skip
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help=(
    "Keep all that the guest prints in this file. Default: in the store."
))  # fmt: skip
@guest_options
@machine_options
@sought_options
@store_option
def command(
    image: Path,
    words: tuple[str, ...],
    user: str,
    directory: str,
    variables: Sequence[str],
    timeout: int,
    command_timeout: int,
    log: Path | None,
    given: Given,
    wanted: WantedMachine,
    sought: Sought,
    store: Path,
) -> Answer:
    """Boot IMAGE, run one command in it when it is up, and end with the command's exit status.

    IMAGE is what `dockyard boot` takes; it is not changed. What the command prints comes as it is,
    on standard output and standard error. The status is 124 where it took too long, and 125 where
    it could not be run.
    """
    from dockyard.pipeline.guest_access import Access
    from dockyard.vm.command import Command, run_command

    sought.require_file(image.suffix in YAML)
    asked = Command(words, user, directory, _environment(variables), command_timeout)
    errand = given.errand()
    found = bootable(image, None, store, sought.artefact)
    require_access(
        found.disk, store, Access("dockyard run", user, ("systemd-run",), modules=given.modules)
    )
    architecture = wanted.architecture or found.architecture
    tools = tools_of(store, found.tools, architecture)
    machine = replace(wanted, bios=wanted.bios or found.bios).machine(tools, store, architecture)
    machine = replace(machine, shares=given.directories)
    log = log.absolute() if log else console_log(store, found.name)
    printed = _Printed(kept=wants_json())
    with progress_shown() as shown:
        ended = run_command(
            found.disk,
            tools,
            machine,
            asked,
            errand,
            console=log,
            timeout=timeout,
            output=lambda data: printed.take(1, data),
            errors=lambda data: printed.take(2, data),
            progress=shown.show,
            begun=shown.stop,
        )
    return _answer(words, ended, printed, log, machine.accel.value, command_timeout)


class _Printed:
    """What a command prints: handed on at once, or kept for the answer, of which the end goes."""

    def __init__(self, *, kept: bool) -> None:
        self._keeps = kept
        self._kept = {1: bytearray(), 2: bytearray()}
        self._lost = {1: False, 2: False}

    def take(self, stream: int, data: bytes) -> None:
        if not self._keeps:
            left = memoryview(data)
            try:
                while left:
                    left = left[os.write(stream, left) :]
            except OSError as error:
                raise terminal.OutputLost(error) from error
            return
        kept = self._kept[stream]
        room = _KEPT - len(kept)
        self._lost[stream] = self._lost[stream] or len(data) > room
        kept += data[:room]

    def facts(self) -> dict[str, Any]:
        names = {1: "stdout", 2: "stderr"}
        texts = {name: self._kept[at].decode(errors="replace") for at, name in names.items()}
        cut = [name for at, name in names.items() if self._lost[at]]
        return {**texts, "cut": cut}


def _environment(variables: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in variables:
        name, equals, value = each.partition("=")
        if not equals or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise click.UsageError(f"{each!r} is not NAME=VALUE", click.get_current_context())
        found[name] = value
    return found


def _answer(
    words: Sequence[str], ended: Ended, printed: _Printed, log: Path, accel: str, limit: int
) -> Answer:
    facts = {
        "command": list(words),
        "status": ended.status,
        "timedOut": ended.timed_out,
        **printed.facts(),
        "systemState": ended.state,
        "failedUnits": list(ended.failed),
        "bootSeconds": round(ended.boot_seconds, 2),
        "seconds": round(ended.seconds, 2),
        "accelerator": accel,
        "console": str(log),
    }
    if not wants_json():
        if ended.failed:
            click.echo(f"units that failed in the guest: {', '.join(ended.failed)}", err=True)
        took = f"{terminal.duration(ended.seconds)}; up in {terminal.duration(ended.boot_seconds)}"
        how = f"was stopped after {limit} s" if ended.timed_out else f"status {ended.status}"
        click.echo(f"{shlex.join(words)}: {how}, {took}; console: {log}", err=True)
    return Answer("", facts, passed=ended.status == 0, status=ended.status)
