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

_KEY = "os.bootloader.type"


def grub_problems(
    loaded: LoadedImage, layout: DiskLayout, family: Family, architecture: Architecture
) -> Iterator[Problem]:
    """A problem for each thing that GRUB cannot do; none for an image that does not choose it."""
    if loaded.image.os.bootloader.type is not BootloaderType.GRUB:
        return
    if family.by_grub is None or architecture is not Architecture.X86_64:
        yield loaded.problem(
            _KEY,
            "build.no-grub",
            f"images of {family.name} for {architecture} cannot be made to boot with GRUB",
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
    words = loaded.image.os.kernel_command_line.extra_command_line
    for index, word in enumerate(words):
        if "$" in word:
            yield loaded.problem(
                f"os.kernelCommandLine.extraCommandLine[{index}]",
                "build.grub-variable",
                f"GRUB would take what follows `$` in {word!r} for the name of a variable",
                fix="write the argument without `$`, or boot with systemd-boot",
            )
