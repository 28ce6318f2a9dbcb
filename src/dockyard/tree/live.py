"""A root that becomes the root of a live system: what belongs to a disk is taken out of it.

Its /etc/fstab names partitions of a disk that is not there, its EFI system partition is not
mounted, and what it boots with is on the medium, beside the root: kernel and initrd stay in /boot
only where kdump is to find them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockyard.errors import Position
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

if TYPE_CHECKING:
    from dockyard.host.in_root import InRoot

_FSTAB = "/etc/fstab"
_TEXT = b"# A live system: its root is made of an image and of memory.\n"
_BOOT = "/boot"
_BOOTED = ("vmlinuz-", "initrd.img-", "initramfs-")
_MENUS = ("loader", "grub", "grub2", "EFI")


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """esp: where the EFI system partition is mounted. keeps_boot_files: kernel and initrd stay in
    /boot. in_memory: the initramfs is the whole system.
    """

    esp: str
    keeps_boot_files: bool
    in_memory: bool
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"live": {"esp": self.esp, "bootFiles": self.keeps_boot_files}}

    def describe(self) -> str:
        kept = "kept" if self.keeps_boot_files else "removed"
        return f"a root without a disk: /etc/fstab empty, what boots in {_BOOT} {kept}"

    def apply(self, tree: Tree) -> None:
        tree.files.write(_FSTAB, _TEXT)
        remove_boot_files(tree.files, self.esp, keeps_kernels=self.keeps_boot_files)

    def checks(self) -> list[Check]:
        kinds = "rootfs|tmpfs|ramfs" if self.in_memory else "overlay"
        script = f"findmnt --noheadings --output FSTYPE / | grep -E --count '^({kinds})$'"
        return [
            Check("live.root", "the root is that of a live system", script, "1", self.position),
            Check("live.fstab", "/etc/fstab names no disk", f"cat {_FSTAB}", _TEXT.decode()),
        ]


def remove_boot_files(files: InRoot, esp: str, *, keeps_kernels: bool = False) -> None:
    """Remove from a tree what boots a disk: boot loader, menus, kernels and initrds in /boot. esp:
    where the EFI system partition is mounted.
    """
    for place in dict.fromkeys((esp, "/efi", _BOOT)):
        for name in files.names(place):
            booted = name.startswith(_BOOTED) and not keeps_kernels
            if place != _BOOT or name in _MENUS or booted:
                files.remove_all(f"{place}/{name}")
