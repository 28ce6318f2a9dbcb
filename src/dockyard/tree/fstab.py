"""The table of file systems and the directories that they are mounted at (fstab(5))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.errors import Position
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system that is to be mounted. source: as /etc/fstab names it. kind: as mount(8)
    does.
    """

    path: str
    kind: str
    source: str
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Fstab:
    """`storage.filesystems` as the running system sees it. text: the whole of /etc/fstab."""

    text: str
    mounts: tuple[Mount, ...]

    @property
    def identity(self) -> dict[str, Any]:
        return {"fstab": self.text.splitlines()}

    def describe(self) -> str:
        return f"/etc/fstab with {', '.join(mount.path for mount in self.mounts)}"

    def apply(self, tree: Tree) -> None:
        for mount in self.mounts:
            tree.files.make_directories(mount.path)
        tree.files.write("/etc/fstab", self.text.encode())

    def checks(self) -> list[Check]:
        return [self._check(mount) for mount in self.mounts]

    @staticmethod
    def _check(mount: Mount) -> Check:
        kind, _, value = mount.source.partition("=")
        script = (
            # What is mounted on demand is mounted by being looked at.
            f"ls {mount.path} >/dev/null; "
            f"findmnt --noheadings --output FSTYPE,{kind} --types {mount.kind} {mount.path} "
            "| tr -s ' ' | sed 's/ *$//'"
        )
        title = f"{mount.path} is {mount.kind} from {mount.source}"
        return Check(f"mounts.{mount.path}", title, script, f"{mount.kind} {value}", mount.position)
