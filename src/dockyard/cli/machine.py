"""The options that say what virtual machine an image runs in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from dockyard.cli.options import architecture_option
from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.vm.qemu import Forward, Machine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WantedMachine:
    """What the options say. memory: bytes. accel: `auto`, or a name of Accel. architecture: None
    for that of the image.
    """

    memory: int
    cpus: int
    cpu: str
    bus: str
    bios: bool
    accel: str
    network: bool
    forward: tuple[Forward, ...]
    architecture: Architecture | None = None
    secure_boot: bool = False

    def machine(self, tools: Tools, store: Path, architecture: Architecture) -> Machine:
        """The machine; where it is left open, it is tried whether KVM works here. architecture: of
        the image.
        """
        from dockyard.host.machine import architecture_or_default
        from dockyard.vm.accel import probe
        from dockyard.vm.qemu import Accel, Machine

        if architecture is not architecture_or_default():
            if self.accel == "kvm":
                raise click.UsageError(f"KVM runs no {architecture} here; leave --accel away")
            accel = Accel.TCG
        elif self.accel == "auto":
            accel = probe(tools, store / "vm" / "accel.json").accel
        else:
            accel = Accel(self.accel)
        return Machine(
            accel,
            self.memory,
            self.cpus,
            self.cpu,
            self.bus,
            self.network,
            self.forward,
            architecture=architecture,
            bios=self.bios,
            secure_boot=self.secure_boot,
        )


def _memory(context: click.Context, parameter: click.Parameter, value: str) -> int:
    found = re.fullmatch("([0-9]{1,9})([MGmg])", value)
    size = int(found[1]) << (20 if found[2] in "Mm" else 30) if found else 0
    if size < 64 << 20:
        raise click.BadParameter("a size of 64M or more, such as 512M or 2G")
    return size


def _forwards(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> tuple[Forward, ...]:
    from dockyard.vm.qemu import Forward

    found = []
    for value in values:
        ports = re.fullmatch("([0-9]{1,5}):([0-9]{1,5})", value)
        if not ports or not all(0 < int(port) < 1 << 16 for port in ports.groups()):
            raise click.BadParameter(f"{value} is not HOST:GUEST, such as 2222:22")
        found.append(Forward(int(ports[1]), int(ports[2])))
    return tuple(found)


def machine_options(command: Callable[..., T]) -> Callable[..., T]:
    """`--memory`, `--cpus`, `--cpu`, `--architecture`, `--bus`, `--bios`, `--secure-boot`,
    `--accel`, `--network` and `--forward`, which the command gets as one WantedMachine, `wanted`.
    """

    @click.option("--memory", default="2G", show_default=True, callback=_memory, help="Memory.")
    @click.option("--cpus", type=click.IntRange(1, 64), default=2, show_default=True,
                  help="Number of processors.")  # fmt: skip
    @click.option("--cpu", default="", help="Processor model of QEMU's, such as max.")
    @click.option("--bus", type=click.Choice(("virtio", "nvme", "sata", "cdrom")), default=None,
                  help="What the disk is attached to. Default: virtio; an ISO is in a CD drive."
                  )  # fmt: skip
    @architecture_option("Of the processor. Default: that of the image file, else x86_64.")
    @click.option("--bios", is_flag=True, help="Start it by a BIOS, not by UEFI firmware.")
    @click.option("--secure-boot", is_flag=True, help=(
        "Have UEFI firmware start only what Microsoft's keys, which most machines have, signed."
    ))  # fmt: skip
    @click.option("--accel", type=click.Choice(("auto", "kvm", "tcg")), default="auto",
                  show_default=True, help="The host's processor, or translation.")  # fmt: skip
    @click.option("--network", is_flag=True, help="A way out for the network card.")
    @click.option("--forward", multiple=True, callback=_forwards, metavar="HOST:GUEST",
                  help="Lead a port of this host's to one of the guest's.")  # fmt: skip
    @wraps(command)
    def collected(
        memory: int,
        cpus: int,
        cpu: str,
        bus: str | None,
        bios: bool,
        secure_boot: bool,
        accel: str,
        network: bool,
        forward: tuple[Forward, ...],
        architecture: Architecture | None,
        **others: object,
    ) -> T:
        if bios and secure_boot:
            raise click.UsageError("a BIOS has no Secure Boot: drop --bios or --secure-boot")
        wanted = WantedMachine(
            memory, cpus, cpu, bus or "", bios, accel, network, forward, architecture, secure_boot
        )
        return command(wanted=wanted, **others)

    return collected
