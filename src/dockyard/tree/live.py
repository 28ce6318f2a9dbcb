"""A root that becomes the root of a live system: what belongs to a disk is taken out of it.

Its /etc/fstab names partitions of a disk that is not there, its EFI system partition is not
mounted, and what it boots with is on the medium, beside the root: kernel and initrd stay in /boot
only where kdump is to find them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.errors import Position
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

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
        files = tree.files
        files.write(_FSTAB, _TEXT)
        for place in dict.fromkeys((self.esp, "/efi", _BOOT)):
            for name in files.names(place):
                if place != _BOOT or name in _MENUS or self._is_booted(name):
                    files.remove_all(f"{place}/{name}")

    def _is_booted(self, name: str) -> bool:
        return not self.keeps_boot_files and name.startswith(_BOOTED)

    def checks(self) -> list[Check]:
        kinds = "rootfs|tmpfs|ramfs" if self.in_memory else "overlay"
        script = f"findmnt --noheadings --output FSTYPE / | grep -E --count '^({kinds})$'"
        return [
            Check("live.root", "the root is that of a live system", script, "1", self.position),
            Check("live.fstab", "/etc/fstab names no disk", f"cat {_FSTAB}", _TEXT.decode()),
        ]
