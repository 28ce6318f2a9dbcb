"""How an image made from packages boots: one plan for each boot loader that it may choose.

A loader says which steps it needs and what goes into each file system; everything else about an
image is the same whichever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dockyard.disk.grub import boot_partition, boot_place
from dockyard.disk.layout import PartitionLayout
from dockyard.engine.step import Step, names_of
from dockyard.model.os import BootloaderType
from dockyard.model.storage import BootType
from dockyard.pipeline.arguments.image import WriteGrub, WriteMenu
from dockyard.pipeline.bios_steps import menu_of
from dockyard.pipeline.boot_steps import BootSteps
from dockyard.pipeline.filesystem_steps import Held, boots
from dockyard.pipeline.labels_steps import labels_step
from dockyard.pipeline.layer_steps import Stack, merged
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.verity_steps import Sealed


@dataclass(frozen=True)
class Booting:
    """booted: the root tree with what starts it. told: the step that finds out the command line.
    held: what goes into the file system of a partition.
    """

    booted: Stack
    told: Step
    held: Callable[[PartitionLayout], Held]


_Loader: TypeAlias = Callable[[ImageRequest, Stack, Stack, BootSteps, Sealed], Booting]


def booting(
    request: ImageRequest, whole: Stack, boot: Stack, steps: BootSteps, sealed: Sealed
) -> Booting:
    """The plan of the boot loader that an image chooses. whole: the root tree. boot: what of it
    shapes the boot. sealed: file systems that the command line names by their hash.
    """
    loader = _bios if request.by_bios else _LOADERS[loader_type(request)]
    return loader(request, whole, boot, steps, sealed)


def loader_type(request: ImageRequest) -> BootloaderType:
    """The boot loader that an image chooses."""
    return request.loaded.image.os.bootloader.type or BootloaderType.SYSTEMD_BOOT


def _systemd_boot(
    request: ImageRequest, whole: Stack, boot: Stack, steps: BootSteps, sealed: Sealed
) -> Booting:
    """A UKI on the EFI system partition, which other settings do not repeat."""

    def held(partition: PartitionLayout) -> Held:
        return Held(boot, steps.uki) if boots(partition, request.family.esp) else Held(whole)

    return Booting(whole, steps.uki, held)


def _grub(
    request: ImageRequest, whole: Stack, boot: Stack, steps: BootSteps, sealed: Sealed
) -> Booting:
    """Kernel, initrd and entry as a layer over the root: /boot may be in it or beside it. The
    menu has the entry where GRUB does not know such, and where a BIOS starts the disk, too: that
    one's GRUB is another.
    """
    family = request.family
    assert family.by_grub is not None
    wanted = WriteGrub(
        grub=family.by_grub.named_for(request.architecture),
        menu=family.grub,
        place=boot_place(request.layout),
        command_line=request.command_line,
        esp=family.esp,
        below=names_of(whole.layers),
        epoch=request.epoch,
        written=request.boot_type is BootType.HYBRID or not family.by_grub.entries,
        found=sealed.found,
    )
    entries = Step.of(
        "boot-entries",
        "Put kernel, initrd and an entry for GRUB into /boot",
        "dockyard.pipeline.steps.grub:write_grub",
        wanted,
        (steps.initrd, *sealed.hashes.values(), *whole.layers),
        details=(f"kernel command line: {' '.join(request.command_line)}",),
    )
    return _by_grub(request, whole, entries)


def _bios(
    request: ImageRequest, whole: Stack, boot: Stack, steps: BootSteps, sealed: Sealed
) -> Booting:
    """Kernel, initrd and a menu for them as a layer over the root."""
    wanted = WriteMenu(
        menu=menu_of(request),
        place=boot_place(request.layout),
        command_line=request.command_line,
        below=names_of(whole.layers),
        epoch=request.epoch,
        found=sealed.found,
    )
    entries = Step.of(
        "boot-entries",
        "Put kernel, initrd and a menu for GRUB into /boot",
        "dockyard.pipeline.steps.bios:write_menu",
        wanted,
        (steps.initrd, *sealed.hashes.values(), *whole.layers),
        details=(f"kernel command line: {' '.join(request.command_line)}",),
    )
    return _by_grub(request, whole, entries)


def _by_grub(request: ImageRequest, whole: Stack, entries: Step) -> Booting:
    layers = (*whole.layers, entries)
    labels = labels_step(request, layers, "boot-labels")
    booted = merged("booted", "Merge what boots", layers, request.epoch, labels)
    read = boot_partition(request.layout)

    def held(partition: PartitionLayout) -> Held:
        return Held(booted, grub=partition == read)

    return Booting(booted, entries, held)


_LOADERS: Mapping[BootloaderType, _Loader] = {
    BootloaderType.SYSTEMD_BOOT: _systemd_boot,
    BootloaderType.GRUB: _grub,
}
