"""`dockyard boot`: run an image in a virtual machine, for a person or for its checks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.answer import Answer
from dockyard.cli.bootable import (
    TIMEOUT,
    Bootable,
    bootable,
    console_log,
    require_access,
    tools_of,
)
from dockyard.cli.guest import apart, log_in, open_shell, run_checks
from dockyard.cli.guest_options import Given, guest_options
from dockyard.cli.machine import WantedMachine, machine_options
from dockyard.cli.options import EXISTING_FILE, store_option
from dockyard.cli.screen import screen
from dockyard.cli.sought import YAML, Sought, sought_options
from dockyard.cli.verb import Needing, Verb, wants_json
from dockyard.cli.verdict import as_facts, as_text

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.vm.qemu import Disk, Machine


@click.command(cls=Verb)
@click.argument("image", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--check", is_flag=True, help="Ask the booted image whether its settings hold.")
@click.option("--config-file", type=EXISTING_FILE, help=(
    "The image file: of the built image to boot, or, beside a disk image, whose settings to check."
))  # fmt: skip
@click.option("--all", "every_file", cls=Needing, needs="--check", is_flag=True,
              help="With --check: read every file of the image, not a sample.")  # fmt: skip
@click.option("--ssh", is_flag=True, help=(
    "Log in over SSH, with a key of this boot alone unless --key names one."
))  # fmt: skip
@click.option("--shell", is_flag=True, help=(
    "Open a shell on a console of the guest, which needs no SSH server for it."
))  # fmt: skip
@click.option("--user", default="", help=(
    "Who comes in, with --ssh, --shell or --autologin. Default: root."
))  # fmt: skip
@click.option("--key", cls=Needing, needs="--ssh", type=EXISTING_FILE,
              help="With --ssh: a private key; KEY.pub beside it.")  # fmt: skip
@click.option("--autologin", is_flag=True, help="Log in at the console without a password.")
@click.option("--timeout", type=click.IntRange(1), help=(
    f"Seconds to come up, for --check, --ssh and --shell. [default: {TIMEOUT}]"
))  # fmt: skip
@click.option("--console/--no-console", "show_kernel", default=None, help=(
    "Put the serial console on the kernel's command line. Default: unless --check."
))  # fmt: skip
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help=(
    "With --check, --ssh or --shell: keep all that the guest prints in this file. Default: in "
    "the store."
))  # fmt: skip
@click.option("--power-off", cls=Needing, needs="--check", is_flag=True,
              help="With --check: shut the guest down in order.")  # fmt: skip
@click.option("--persist", is_flag=True, help=(
    "Keep what the guest writes, in the image. Without it the image is not changed."
))  # fmt: skip
@click.option("--graphics", is_flag=True, help=(
    "Give the guest a screen, which any VNC viewer on this machine shows."
))  # fmt: skip
@guest_options
@sought_options
@machine_options
@store_option
def command(
    image: Path | None,
    check: bool,
    config_file: Path | None,
    every_file: bool,
    ssh: bool,
    shell: bool,
    user: str,
    key: Path | None,
    autologin: bool,
    timeout: int | None,
    show_kernel: bool | None,
    log: Path | None,
    power_off: bool,
    persist: bool,
    graphics: bool,
    given: Given,
    sought: Sought,
    wanted: WantedMachine,
    store: Path,
) -> Answer | None:
    """Boot IMAGE: a disk image, an ISO, a directory of what a network boots, or an image file whose
    built image is meant.

    Without --check the terminal is the guest's console. With --check the booted image is asked
    whether every setting of its file holds, and the exit status is 1 when one does not. With --ssh
    a shell in the guest reads the terminal, or what is piped in; with --shell a terminal. The guest
    ends with it.
    """
    from dockyard.vm.qemu import Disk

    modes = {"--check": check, "--ssh": ssh, "--shell": shell, "--autologin": autologin}
    _require_together(modes, persist, user, {"--log": log, "--timeout": timeout})
    if check and (given or graphics):
        raise click.UsageError("--check takes no --copy-in, --share or --graphics")
    if wants_json() and not check:
        raise click.UsageError("--json does nothing without --check")
    if shell and not sys.stdin.isatty():
        raise click.UsageError("--shell needs a terminal; `dockyard run` takes a command")
    timeout = timeout or TIMEOUT
    image, config_file = _named(image, config_file, check)
    sought.require_file(config_file is not None or image.suffix in YAML)
    if persist and image.suffix in YAML:
        raise click.UsageError(
            "the store's image is never changed: for --persist, name a disk image that "
            "`dockyard build --output-image-file` placed"
        )
    look = partial(sought.artefact, every_file=every_file)
    found = bootable(image, config_file, store, look, check)
    who = user or "root"
    if ssh or shell or given:
        _require_access(found, store, given, who, ssh=ssh, shell=shell)
    architecture = wanted.architecture or found.architecture
    tools = tools_of(store, found.tools, architecture)
    machine = replace(wanted, bios=wanted.bios or found.bios).machine(tools, store, architecture)
    machine = replace(machine, shares=given.directories)
    log = log.absolute() if log else console_log(store, found.name)
    if check:
        console = show_kernel or False
        asked, unasked = apart(found.questions, console)
        verdict = run_checks(found.disk, asked, tools, machine, timeout, console, log, power_off)
        told = as_text(verdict, unasked)
        return Answer(told, as_facts(verdict, unasked), passed=verdict.passed)
    disk = Disk(found.disk.path, found.disk.format, kept=persist)
    kept = "what it writes stays in the image" if persist else "the image is not changed"
    errand = given.errand()
    with screen(machine, graphics) as machine:
        if ssh:
            click.echo(f"{found.name}: logging in as {who}; {kept}; console: {log}", err=True)
            raise SystemExit(log_in(disk, tools, machine, who, key, errand, timeout, log))
        if shell:
            click.echo(f"{found.name}: a shell for {who}; {kept}; console: {log}", err=True)
            raise SystemExit(open_shell(disk, tools, machine, who, errand, timeout, log))
        _interact(found, disk, tools, machine, kept, given,
                  show_kernel=show_kernel is not False, who=who if autologin else "")  # fmt: skip
    return None


def _interact(
    found: Bootable,
    disk: Disk,
    tools: Tools,
    machine: Machine,
    kept: str,
    given: Given,
    *,
    show_kernel: bool,
    who: str,
) -> None:
    """Let the terminal be the guest's console. who: is logged in there; empty for nobody."""
    from dockyard.vm.console import ESCAPES, interact

    click.echo(f"{found.name}: {ESCAPES}; {kept}", err=True)
    errand = given.errand() if given else None
    interact(disk, tools, machine, show_kernel=show_kernel, autologin=who, errand=errand)


def _require_access(
    found: Bootable, store: Path, given: Given, user: str, *, ssh: bool, shell: bool
) -> None:
    """Say before the boot what the image lacks, where that is known."""
    from dockyard.pipeline.guest_access import Access

    verb = "--ssh" if ssh else "--shell" if shell else "--copy-in" if given.copies else "--share"
    programs = ("getent", "systemd-run", "stty") if shell else ("getent",) if ssh else ()
    access = Access(verb, user, programs, ssh, given.modules)
    require_access(found.disk, store, access)


def _require_together(
    modes: Mapping[str, bool], persist: bool, user: str, asked: Mapping[str, object]
) -> None:
    """Raise UsageError for options that mean nothing together, or without another one."""
    if modes["--check"] and persist:
        raise click.UsageError("--check never changes the image: leave --persist away")
    chosen = [name for name, wanted in modes.items() if wanted]
    if len(chosen) > 1:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} are two ways to boot: take one")
    if user and chosen in ([], ["--check"]):
        raise click.UsageError("--user does nothing without --ssh, --shell or --autologin")
    for name, value in asked.items():
        if value is not None and chosen in ([], ["--autologin"]):
            raise click.UsageError(f"{name} does nothing without --check, --ssh or --shell")


def _named(
    image: Path | None,
    config_file: Path | None,
    check: bool,
) -> tuple[Path, Path | None]:
    """What to boot, and the image file beside it; options that would do nothing are refused."""
    if image is None:
        if config_file is None:
            raise click.UsageError("name an image file or a disk image")
        return config_file, None
    if image.suffix in YAML:
        if config_file is not None:
            raise click.UsageError("the image file is named twice: drop --config-file")
        return image, None
    if config_file is not None and not check:
        raise click.UsageError("--config-file beside a disk image does nothing without --check")
    return image, config_file
