"""A root that becomes that of a guest: a container, or a distribution of WSL. What belongs to a
disk is taken out of it, and what its host asks of it is put in, where the image does not say it.

Its /etc/fstab would name partitions of a disk that is not there, and kernel, initrd and boot loader
are the host's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.errors import Position
from dockyard.tree.check import Check
from dockyard.tree.live import remove_boot_files
from dockyard.tree.setting import Tree

_FSTAB = "/etc/fstab"
_TEXT = b"# A guest: what it mounts is its host's.\n"


@dataclass(frozen=True, slots=True)
class GuestSetting:
    """esp: where the EFI system partition is mounted. files, links: of the host's, by path: text,
    or target. removed: what the host makes.
    """

    esp: str
    files: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "guest": {
                "esp": self.esp,
                "files": dict(self.files),
                "links": dict(self.links),
                "removed": list(self.removed),
            }
        }

    def describe(self) -> str:
        names = [path for path, _ in (*self.files, *self.links)]
        added = f"; {', '.join(names)} unless there" if names else ""
        return f"a root without a disk: /etc/fstab empty, what boots removed{added}"

    def apply(self, tree: Tree) -> None:
        files = tree.files
        files.write(_FSTAB, _TEXT)
        remove_boot_files(files, self.esp)
        for path in self.removed:
            if files.lstat(path) is not None:
                files.remove(path)
        for path, text in self.files:
            if files.lstat(path) is None:
                files.write(path, text.encode())
        for path, target in self.links:
            if files.lstat(path) is None:
                files.symlink(path, target)

    def checks(self) -> list[Check]:
        return []  # it is no system that boots
