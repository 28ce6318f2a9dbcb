"""`dockyard boot`: run an image in a virtual machine, for a person or for its checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli.answer import Answer
from dockyard.cli.guest import apart, log_in, run_checks
from dockyard.cli.input_options import input_of
from dockyard.cli.machine import WantedMachine, machine_options
from dockyard.cli.options import EXISTING_FILE, package_source_options, store_option
from dockyard.cli.verb import Needing, Verb, wants_json
from dockyard.cli.verdict import as_facts, as_text

if TYPE_CHECKING:
    from dockyard.cli.artefacts import Artefact
    from dockyard.host.sandbox import Tools
    from dockyard.model.packages import Pin
    from dockyard.tree.check import Question
    from dockyard.vm.qemu import Disk

_YAML = (".yaml", ".yml")
_TIMEOUT = 300


@click.command(cls=Verb)
@click.argument("image", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--check", is_flag=True, help="Ask the booted image whether its settings hold.")
@click.option("--config-file", type=EXISTING_FILE, help=(
    "The image file: of the built image to boot, or, beside a disk image, whose settings to check."
))  # fmt: skip
@click.option("--image-file", type=EXISTING_FILE, help=(
    "The image that was customized. Default: input.image.path of the image file."
))  # fmt: skip
@click.option("--all", "every_file", cls=Needing, needs="--check", is_flag=True,
              help="With --check: read every file of the image, not a sample.")  # fmt: skip
@click.option("--ssh", is_flag=True, help=(
    "Log in over SSH, with a key of this boot alone unless --key names one."
))  # fmt: skip
@click.option("--user", default="", help="Who logs in, with --ssh or --autologin. Default: root.")
@click.option("--key", cls=Needing, needs="--ssh", type=EXISTING_FILE,
              help="With --ssh: a private key; KEY.pub beside it.")  # fmt: skip
@click.option("--autologin", is_flag=True, help="Log in at the console without a password.")
@click.option("--timeout", type=click.IntRange(1), help=(
    f"Seconds to come up, for --check and --ssh. [default: {_TIMEOUT}]"
))  # fmt: skip
@click.option("--console/--no-console", "show_kernel", default=None, help=(
    "Put the serial console on the kernel's command line. Default: unless --check."
))  # fmt: skip
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help=(
    "With --check or --ssh: keep all that the guest prints in this file. Default: in the store."
))  # fmt: skip
@click.option("--power-off", cls=Needing, needs="--check", is_flag=True,
              help="With --check: shut the guest down in order.")  # fmt: skip
@click.option("--persist/--snapshot", default=False, help=(
    "Keep what the guest writes, in the image. Default: --snapshot, the image is not changed."
))  # fmt: skip
@machine_options
@package_source_options
@store_option
def command(
    image: Path | None,
    check: bool,
    config_file: Path | None,
    image_file: Path | None,
    every_file: bool,
    ssh: bool,
    user: str,
    key: Path | None,
    autologin: bool,
    timeout: int | None,
    show_kernel: bool | None,
    log: Path | None,
    power_off: bool,
    persist: bool,
    wanted: WantedMachine,
    rpm_source: tuple[Path, ...],
    disable_base_image_rpm_repos: bool,
    package_snapshot_time: str,
    store: Path,
) -> Answer | None:
    """Boot IMAGE: a disk image, an ISO, a directory of what a network boots, or an image file whose
    built image is meant.

    Without --check the terminal is the guest's console. With --check the booted image is asked
    whether every setting of its file holds, and the exit status is 1 when one does not. With --ssh
    a shell in the guest reads the terminal, or what is piped in, and the guest ends with it.
    """
    from dockyard.cli.artefacts import questions_for
    from dockyard.pipeline.overrides import Overrides
    from dockyard.vm.console import ESCAPES, interact
    from dockyard.vm.qemu import Disk

    _require_together(check, ssh, autologin, persist, user, {"--log": log, "--timeout": timeout})
    if wants_json() and not check:
        raise click.UsageError("--json does nothing without --check")
    timeout = timeout or _TIMEOUT
    image, config_file = _named(image, config_file, check, rpm_source, image_file)
    if persist and image.suffix in _YAML:
        raise click.UsageError(
            "the store's image is never changed: for --persist, name a disk image that "
            "`dockyard build --output-image-file` placed"
        )

    def look(file: Path, **options: Any) -> Artefact:
        return questions_for(
            file,
            store,
            overrides=Overrides(
                input_of(image_file, None),
                rpm_sources=rpm_source,
                without_image_repositories=disable_base_image_rpm_repos,
                snapshot_time=package_snapshot_time,
            ),
            every_file=every_file,
            **options,
        )

    disk, questions, pins, name, by_bios = _subject(image, config_file, store, look, check)
    tools = _tools(store, pins)
    machine = replace(wanted, bios=wanted.bios or by_bios).machine(tools, store)
    log = log.absolute() if log else _console_log(store, name)
    if check:
        console = show_kernel or False
        asked, unasked = apart(questions, console)
        verdict = run_checks(disk, asked, tools, machine, timeout, console, log, power_off)
        told = as_text(verdict, unasked)
        return Answer(told, as_facts(verdict, unasked), passed=verdict.passed)
    if disk.kept is not persist:
        disk = Disk(disk.path, disk.format, kept=persist)
    kept = "what it writes stays in the image" if persist else "the image is not changed"
    if ssh:
        who = user or "root"
        click.echo(f"{name}: logging in as {who}; {kept}; console: {log}", err=True)
        raise SystemExit(log_in(disk, tools, machine, who, key, timeout, log))
    click.echo(f"{name}: {ESCAPES}; {kept}", err=True)
    who = (user or "root") if autologin else ""
    interact(disk, tools, machine, show_kernel=show_kernel is not False, autologin=who)
    return None


def _require_together(
    check: bool,
    ssh: bool,
    autologin: bool,
    persist: bool,
    user: str,
    asked: Mapping[str, object],
) -> None:
    """Raise UsageError for options that mean nothing together, or without another one."""
    if check and persist:
        raise click.UsageError("--check never changes the image: leave --persist away")
    given = {"--check": check, "--ssh": ssh, "--autologin": autologin}
    modes = [name for name, chosen in given.items() if chosen]
    if len(modes) > 1:
        raise click.UsageError(f"{modes[0]} and {modes[1]} are two ways to boot: take one")
    if user and not (ssh or autologin):
        raise click.UsageError("--user does nothing without --ssh or --autologin")
    for name, value in asked.items():
        if value is not None and not (check or ssh):
            raise click.UsageError(f"{name} does nothing without --check or --ssh")


def _named(
    image: Path | None,
    config_file: Path | None,
    check: bool,
    rpm_sources: Sequence[Path],
    customized: Path | None,
) -> tuple[Path, Path | None]:
    """What to boot, and the image file beside it; options that would do nothing are refused."""
    if image is None:
        if config_file is None:
            raise click.UsageError("name an image file or a disk image")
        return config_file, None
    if image.suffix in _YAML:
        if config_file is not None:
            raise click.UsageError("the image file is named twice: drop --config-file")
        return image, None
    if config_file is not None and not check:
        raise click.UsageError("--config-file beside a disk image does nothing without --check")
    if rpm_sources and config_file is None:
        raise click.UsageError("--rpm-source does nothing without an image file")
    if customized and config_file is None:
        raise click.UsageError("--image-file does nothing without an image file")
    return image, config_file


def _console_log(store: Path, name: str) -> Path:
    """Where the console of an image's last boot is kept."""
    return _beside_console(store) / f"{name}.console"


def _beside_console(store: Path) -> Path:
    place = store.absolute() / "vm"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _scratch(store: Path, name: str) -> Path:
    """An empty directory for an image, which is removed when the command ends."""
    from dockyard.host import files, removal

    place = _beside_console(store) / name
    files.remove_parts(place)  # of boots that were killed
    scratch = files.part_of(place)
    scratch.mkdir()
    click.get_current_context().call_on_close(lambda: removal.remove_tree(scratch))
    return scratch


def _subject(
    image: Path,
    config: Path | None,
    store: Path,
    look: Callable[..., Artefact],
    check: bool,
) -> tuple[Disk, Sequence[Question], Sequence[Pin], str, bool]:
    """The disk to boot, what to ask it, the tools to run it with, its name, and whether its file
    says that a BIOS starts it. look: finds what an image file made.
    """
    from dockyard.vm.qemu import Disk, check_format, detect_format

    if image.suffix in _YAML:
        found = look(image, check=check, fits=lambda form: check_format(Disk(image, form)))
        disk = Disk(found.write(_scratch(store, found.name)), found.format)
        return disk, found.questions, found.tools, found.name, found.bios
    disk = Disk(image.absolute(), detect_format(image))
    if config is None:
        return disk, (), (), image.stem, False
    found = look(config, built=False)
    return disk, found.questions, found.tools, image.stem, found.bios


def _tools(store: Path, pins: Sequence[Pin]) -> Tools:
    """The tools of these pins, or of the lock that comes with Dockyard."""
    from dockyard.host import namespace
    from dockyard.tools.trees import load_tools_lock, tools_ready, tools_tree

    pins = pins or load_tools_lock().packages
    if not tools_ready(store, pins):
        namespace.enter()
    return tools_tree(store, pins).main
