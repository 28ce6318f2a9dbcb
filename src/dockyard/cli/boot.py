"""`dockyard boot`: run an image in a virtual machine, for a person or for its checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.options import EXISTING_FILE, rpm_source_option, store_option
from dockyard.cli.verb import Needing, Verb, wants_json

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.model.packages import Pin
    from dockyard.tree.check import Check
    from dockyard.vm.guest import Progress
    from dockyard.vm.qemu import Accel, Disk, Forward, Machine
    from dockyard.vm.verdict import CheckResult, Verdict

COMMAND_LINE_CHECK = "kernel.command-line"
_YAML = (".yaml", ".yml")


def _memory(context: click.Context, parameter: click.Parameter, value: str) -> int:
    factors = {"M": 1 << 20, "G": 1 << 30}
    number, factor = value[:-1], factors.get(value[-1:].upper())
    if factor is None or not number.isdigit() or int(number) * factor < 64 << 20:
        raise click.BadParameter("a size of 64M or more, such as 512M or 2G")
    return int(number) * factor


def _forwards(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> tuple[Forward, ...]:
    from dockyard.vm.qemu import Forward

    found = []
    for value in values:
        host, colon, guest = value.partition(":")
        if not (colon and host.isdigit() and guest.isdigit()):
            raise click.BadParameter(f"{value} is not HOST:GUEST, such as 2222:22")
        found.append(Forward(int(host), int(guest)))
    return tuple(found)


@click.command(cls=Verb)
@click.argument("image", required=False, type=EXISTING_FILE)
@click.option("--check", is_flag=True, help="Ask the booted image whether its settings hold.")
@click.option("--config-file", type=EXISTING_FILE, help=(
    "The image file: of the built image to boot, or, beside a disk image, whose settings to check."
))  # fmt: skip
@click.option("--timeout", cls=Needing, needs="--check", type=click.IntRange(1), default=300,
              show_default=True, help="With --check: seconds to come up.")  # fmt: skip
@click.option("--console/--no-console", "show_kernel", default=None, help=(
    "Put the serial console on the kernel's command line. Default: unless --check."
))  # fmt: skip
@click.option("--log", cls=Needing, needs="--check",
              type=click.Path(dir_okay=False, path_type=Path),
              help="With --check: keep all that the guest prints in this file.")  # fmt: skip
@click.option("--power-off", cls=Needing, needs="--check", is_flag=True,
              help="With --check: shut the guest down in order.")  # fmt: skip
@click.option("--persist/--snapshot", default=False, help=(
    "Keep what the guest writes, in the image. Default: --snapshot, the image is not changed."
))  # fmt: skip
@click.option("--memory", default="2G", show_default=True, callback=_memory, help="Memory.")
@click.option(
    "--cpus", type=click.IntRange(1, 64), default=2, show_default=True, help="Number of processors."
)
@click.option("--cpu", default="", help="Processor model of QEMU's, such as max.")
@click.option("--bus", type=click.Choice(("virtio", "nvme", "sata")), default="virtio",
              show_default=True, help="What the disk is attached to.")  # fmt: skip
@click.option("--accel", type=click.Choice(("auto", "kvm", "tcg")), default="auto",
              show_default=True, help="The host's processor, or translation.")  # fmt: skip
@click.option("--network", is_flag=True, help="A network with a way out.")
@click.option("--forward", multiple=True, callback=_forwards, metavar="HOST:GUEST",
              help="Lead a port of this host's to one of the guest's.")  # fmt: skip
@rpm_source_option
@store_option
def command(
    image: Path | None,
    check: bool,
    config_file: Path | None,
    timeout: int,
    show_kernel: bool | None,
    log: Path | None,
    power_off: bool,
    persist: bool,
    memory: int,
    cpus: int,
    cpu: str,
    bus: str,
    accel: str,
    network: bool,
    forward: tuple[Forward, ...],
    rpm_source: tuple[Path, ...],
    store: Path,
) -> Answer | None:
    """Boot IMAGE: a disk image, or an image file whose built image is meant.

    Without --check the terminal is the guest's console. With --check the booted image is asked
    whether every setting of its file holds, and the exit status is 1 when one does not.
    """
    from dockyard.vm.console import ESCAPES, interact
    from dockyard.vm.qemu import Accel, Disk, Machine

    if check and persist:
        raise click.UsageError("--check never changes the image: leave --persist away")
    image, config_file = _named(image, config_file, check, rpm_source)
    disk, checks, pins = _subject(image, config_file, store, rpm_source)
    tools = _tools(store, pins)
    chosen = Accel(accel) if accel != "auto" else _probe(tools, store)
    machine = Machine(chosen, memory, cpus, cpu, bus, network, forward)
    if check:
        console = show_kernel or False
        verdict = _check(disk, checks, tools, machine, timeout, console, log, power_off)
        return Answer(as_text(verdict), as_facts(verdict), passed=verdict.passed)
    if wants_json():
        raise click.UsageError("--json does nothing without --check")
    kept = "what it writes stays in the image" if persist else "the image is not changed"
    click.echo(f"{disk.path.name}: {ESCAPES}; {kept}", err=True)
    if disk.kept is not persist:
        disk = Disk(disk.path, disk.format, kept=persist)
    interact(disk, tools, machine, show_kernel=show_kernel is not False)
    return None


def _named(
    image: Path | None, config_file: Path | None, check: bool, rpm_sources: Sequence[Path]
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
    return image, config_file


def _subject(
    image: Path, config: Path | None, store: Path, rpm_sources: Sequence[Path]
) -> tuple[Disk, Sequence[Check], Sequence[Pin]]:
    """The disk to boot, what to ask it, and the tools to run it with."""
    from dockyard.cli.artefacts import checks_for
    from dockyard.vm.qemu import Disk, check_format, detect_format

    if image.suffix in _YAML:
        found = checks_for(image, store, rpm_sources=rpm_sources)
        disk = Disk(found.image, found.format)
        check_format(disk)
        return disk, found.checks, found.tools
    disk = Disk(image.absolute(), detect_format(image))
    if config is None:
        return disk, (), ()
    found = checks_for(config, store, built=False, rpm_sources=rpm_sources)
    return disk, found.checks, found.tools


def _tools(store: Path, pins: Sequence[Pin]) -> Tools:
    """The tools of these pins, or of the lock that comes with Dockyard."""
    from dockyard.host import namespace
    from dockyard.packages.tools import load_tools_lock, tools_tree, trees_path

    pins = pins or load_tools_lock().packages
    if not trees_path(store, pins).is_dir():
        namespace.enter()
    return tools_tree(store, pins).main


def _probe(tools: Tools, store: Path) -> Accel:
    from dockyard.vm.accel import probe

    return probe(tools, store / "vm" / "accel.json").accel


def _check(
    disk: Disk,
    checks: Sequence[Check],
    tools: Tools,
    machine: Machine,
    timeout: int,
    show_kernel: bool,
    log: Path | None,
    power_off: bool,
) -> Verdict:
    from tempfile import TemporaryDirectory

    from dockyard.vm.guest import ask

    if show_kernel:
        # The command line is then not the image's own.
        checks = [check for check in checks if check.id != COMMAND_LINE_CHECK]
    with TemporaryDirectory(prefix="dockyard-boot-") as name, _progress() as progress:
        return ask(
            disk.path,
            disk.format,
            checks,
            tools,
            console=log.absolute() if log else Path(name) / "console",
            machine=machine,
            timeout=timeout,
            show_kernel=show_kernel,
            power_off=power_off,
            progress=progress,
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


def as_text(verdict: Verdict) -> str:
    """A verdict for a person: what failed in full, the rest in one line."""
    lines = []
    for result in verdict.results:
        if not result.passed:
            lines += _failure(result)
    for unit in verdict.failed_units:
        lines.append(f"{click.style('failed unit', fg='red', bold=True)} {unit.name}")
        lines += [f"  {click.style('│', fg='cyan')} {line}" for line in unit.status.splitlines()]
    if verdict.waiting_for:
        lines.append(click.style("not up in time; still to be done:", fg="red", bold=True))
        lines += [f"  {line}" for line in verdict.waiting_for.splitlines()]
    passed = sum(result.passed for result in verdict.results)
    count = f"{passed} of {len(verdict.results)} checks passed" if verdict.results else "no checks"
    good = verdict.passed
    up = terminal.duration(verdict.boot_seconds)
    summary = (
        f"{count}; system {verdict.system_state}, up after {up} "
        f"({terminal.duration(verdict.guest_seconds)} by its own clock, {verdict.accel.value})"
    )
    lines.append(click.style("✓ " if good else "✗ ", fg="green" if good else "red") + summary)
    return "\n".join(lines)


def _failure(result: CheckResult) -> list[str]:
    check = result.check
    head = click.style("failed", fg="red", bold=True)
    lines = [f"{head} {click.style(check.title, bold=True)} [{check.id}]"]
    if check.setting:
        lines.append(f"  {click.style('where', fg='cyan')}     {check.setting}")
    for label, text in (
        ("expected", check.expect.strip()),
        ("actual", result.actual),
        ("stderr", result.errors),
    ):
        first, *rest = text.splitlines() or ["(nothing)"]
        if label == "stderr" and not text:
            continue
        lines.append(f"  {click.style(label.ljust(8), fg='cyan')}  {first}")
        lines += [f"            {line}" for line in rest]
    return lines


def as_facts(verdict: Verdict) -> dict[str, Any]:
    """A verdict for a program."""
    return {
        "passed": verdict.passed,
        "systemState": verdict.system_state,
        "bootSeconds": round(verdict.boot_seconds, 2),
        "guestSeconds": round(verdict.guest_seconds, 2),
        "totalSeconds": round(verdict.total_seconds, 2),
        "accelerator": verdict.accel.value,
        "attempts": verdict.attempts,
        "times": verdict.times,
        "failedUnits": [{"name": u.name, "status": u.status} for u in verdict.failed_units],
        "waitingFor": verdict.waiting_for,
        "checks": [
            {
                "id": result.check.id,
                "title": result.check.title,
                "setting": str(result.check.setting) if result.check.setting else None,
                "passed": result.passed,
                "expected": result.check.expect.strip(),
                "actual": result.actual,
                "status": result.status,
                "errors": result.errors,
                "seconds": round(result.seconds, 3),
            }
            for result in verdict.results
        ],
    }
