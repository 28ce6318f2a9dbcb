"""The table of file systems and the directories that they are mounted at (fstab(5))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

REPART = "/usr/lib/repart.d"
_REPART_PROGRAM = "/usr/bin/systemd-repart"


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
    """`storage.filesystems` as the running system sees it.

    text: the whole of /etc/fstab. swaps: swap spaces, as /etc/fstab names them. growth: the files
    by name that tell systemd-repart(8) which partition takes what a larger disk has.
    """

    text: str
    mounts: tuple[Mount, ...]
    swaps: tuple[str, ...] = ()
    growth: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        return {"fstab": self.text.splitlines(), "growth": [list(item) for item in self.growth]}

    def describe(self) -> str:
        return f"/etc/fstab with {', '.join(mount.path for mount in self.mounts)}"

    def apply(self, tree: Tree) -> None:
        for mount in self.mounts:
            tree.files.make_directories(mount.path)
        tree.files.write("/etc/fstab", self.text.encode())
        if self.growth and not tree.files.lstat(_REPART_PROGRAM):
            raise DockyardError(
                Problem(
                    code="tree.no-repart",
                    what="the image has no systemd-repart, which grows its last partition at boot",
                    fix="install the package systemd-repart, or give the partition a size",
                )
            )
        for name, text in self.growth:
            tree.files.make_directories(REPART)
            tree.files.write(f"{REPART}/{name}", text.encode())

    def checks(self) -> list[Check]:
        checks = [self._check(mount) for mount in self.mounts]
        return checks + [self._check_swap(source) for source in self.swaps]

    @staticmethod
    def _check_swap(source: str) -> Check:
        kind, _, value = source.partition("=")
        script = (
            f"device=$(readlink --canonicalize /dev/disk/by-{kind.lower()}/{value}); "
            'grep --count "^$device[[:blank:]]" /proc/swaps'
        )
        return Check(f"swap.{value}", f"{source} is in use as swap space", script, "1")

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
