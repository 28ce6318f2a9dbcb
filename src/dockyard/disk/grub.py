"""What GRUB boots an image by: the menu that finds entries, and an entry for each kernel.

The entries are those of the UAPI Boot Loader Specification, type 1, as the RPM world has them: the
menu itself names no kernel (GRUB manual, `blscfg`, `search`, `configfile`), so that a kernel comes
and goes with a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.disk.boot_entries import Fields
from dockyard.disk.boot_entries import entry_text as text_of
from dockyard.disk.layout import DiskLayout, PartitionLayout
from dockyard.model.filesystems import FileSystemType

BOOT = "/boot"
ENTRIES = f"{BOOT}/loader/entries"
READS = (
    FileSystemType.EXT4,
    FileSystemType.XFS,
    FileSystemType.BTRFS,
    FileSystemType.VFAT,
    FileSystemType.FAT32,
)
"""What GRUB reads of the file systems that we write."""


@dataclass(frozen=True, slots=True)
class BootPlace:
    """Where GRUB finds /boot. filesystem: the id of the file system that holds it. path: of /boot
    there, "" where the file system is mounted at it.
    """

    filesystem: str
    path: str


def boot_partition(layout: DiskLayout) -> PartitionLayout | None:
    """The partition that holds /boot; None where nothing is mounted at / either."""
    return layout.mounted_at(BOOT) or layout.mounted_at("/")


def boot_place(layout: DiskLayout) -> BootPlace:
    """Where GRUB finds the /boot of a disk, which has one. It sees all of a btrfs file system, with
    subvolumes as directories.
    """
    found = boot_partition(layout)
    assert found is not None and found.filesystem is not None
    at, subvolume = max(
        (mount.path, subvolume or "")
        for mount, subvolume in found.filesystem.mounts
        if mount.path in (BOOT, "/")
    )
    above = f"/{subvolume.strip('/')}" if subvolume else ""
    return BootPlace(found.filesystem.uuid_text, f"{above}{'' if at == BOOT else BOOT}")


def first_settings(place: BootPlace, menu: str) -> str:
    """What is beside GRUB on the EFI system partition: where the menu is. menu: its path."""
    at = f"{place.path}{menu.removeprefix(BOOT).rpartition('/')[0]}"
    return (
        f"search --no-floppy --fs-uuid --set=root {place.filesystem}\n"
        f"set prefix=($root){at}\n"
        f"configfile $prefix/{menu.rpartition('/')[2]}\n"
    )


def menu_text(place: BootPlace, modules: tuple[str, ...]) -> str:
    """The menu: the newest entry is started after a second, in which Escape shows all of them.

    modules: that GRUB loads before it reads entries.
    """
    lines = [
        "set default=0",
        "set timeout_style=hidden",
        "set timeout=1",
        *(f"insmod {name}" for name in modules),
        f"blscfg --path {place.path}{ENTRIES.removeprefix(BOOT)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def entry_text(place: BootPlace, title: str, kernel: str, command_line: str) -> str:
    """The entry of a kernel. title: of the system. kernel: its release."""
    return text_of(
        Fields(
            title=f"{title} ({kernel})",
            version=kernel,
            kernel=f"{place.path}/{kernel_name(kernel)}",
            initrds=(f"{place.path}/{initrd_name(kernel)}",),
            options=command_line,
        )
    )


def kernel_name(kernel: str) -> str:
    """The file of a kernel in /boot."""
    return f"vmlinuz-{kernel}"


def initrd_name(kernel: str) -> str:
    """The file of a kernel's initrd in /boot."""
    return f"initramfs-{kernel}.img"


def entry_name(system: str, kernel: str) -> str:
    """The file name of an entry. system: its token (kernel-install(8)), the ID of os-release, as an
    image has no machine ID.
    """
    return f"{system}-{kernel}.conf"
