"""What an image needs that is to boot with GRUB, judged before any work."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.config import LoadedImage
from dockyard.disk.grub import READS, boot_partition
from dockyard.disk.layout import DiskLayout
from dockyard.errors import Problem
from dockyard.model.architecture import Architecture
from dockyard.model.family import Family
from dockyard.model.os import BootloaderType
from dockyard.model.storage import BootType

_KEY = "os.bootloader.type"
_BY_BIOS = "storage.bootType"


def grub_problems(
    loaded: LoadedImage, layout: DiskLayout, family: Family, architecture: Architecture
) -> Iterator[Problem]:
    """A problem for each thing that GRUB cannot do; none for an image that boots without it."""
    chosen = loaded.image.os.bootloader.type is BootloaderType.GRUB
    by_bios = loaded.image.storage.boot_type is BootType.LEGACY
    by_both = loaded.image.storage.boot_type is BootType.HYBRID
    if by_bios or by_both:
        yield from _bios_problems(loaded, architecture)
    if by_both and not chosen:
        yield loaded.problem(
            _KEY if loaded.image.os.bootloader.type else _BY_BIOS,
            "build.hybrid-by-grub",
            f"`bootType: hybrid` needs `{_KEY}: grub`",
            why="both firmwares start GRUB, which finds one menu in /boot",
            fix=f"set `{_KEY}: grub`, or choose `bootType: efi` or `bootType: legacy`",
        )
    if by_bios:
        pass
    elif not chosen:
        return
    elif family.by_grub is None:
        yield loaded.problem(
            _KEY,
            "build.no-grub",
            f"images of {family.name} cannot be made to boot with GRUB",
            fix=f"remove `{_KEY}`: such an image boots with {family.loader.name}",
        )
    found = boot_partition(layout)
    if found is not None and found.filesystem is not None and found.filesystem.type not in READS:
        yield loaded.problem(
            "storage.filesystems",
            "build.grub-cannot-read",
            f"GRUB cannot read {found.filesystem.type}, which holds /boot",
            fix="give /boot a partition of its own, with ext4",
        )
    if found is not None and found.verity is not None:
        yield loaded.problem(
            "storage.filesystems",
            "build.grub-sealed",
            "/boot is in a file system that is checked by its hash",
            why="the hash is in the entry that GRUB starts, which is in /boot",
            fix="give /boot a partition of its own, with ext4",
        )
    if by_bios:
        return  # words in a menu are quoted
    words = loaded.image.os.kernel_command_line.extra_command_line
    for index, word in enumerate(words):
        if "$" in word:
            yield loaded.problem(
                f"os.kernelCommandLine.extraCommandLine[{index}]",
                "build.grub-variable",
                f"GRUB would take what follows `$` in {word!r} for the name of a variable",
                fix="write the argument without `$`, or boot with systemd-boot",
            )


def _bios_problems(loaded: LoadedImage, architecture: Architecture) -> Iterator[Problem]:
    """What does not go together with a BIOS."""
    if architecture is not Architecture.X86_64:
        yield loaded.problem(
            _BY_BIOS,
            "build.no-bios",
            f"machines of {architecture} have no BIOS",
            fix="set `bootType: efi`, and give the disk a partition of the type esp",
        )
    os, boot_type = loaded.image.os, loaded.image.storage.boot_type
    other = boot_type is BootType.LEGACY and os.bootloader.type is BootloaderType.SYSTEMD_BOOT
    for key, given in (("os.uki", os.uki is not None and os.uki.mode), (_KEY, other)):
        if given:
            yield loaded.problem(
                key,
                "build.not-by-bios",
                f"`{key}` cannot be combined with `bootType: {boot_type}`",
                why="UKIs and systemd-boot are programs for UEFI; a BIOS starts GRUB",
                fix=f"remove `{key}`, or set `bootType: efi`",
            )
