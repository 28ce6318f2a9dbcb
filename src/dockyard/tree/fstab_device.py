"""The line of fstab(5) for a file system that is from now on only read, from another device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

_FSTAB = "/etc/fstab"
# Options that mean nothing for what is only read.
_WRITES = frozenset(("rw", "defaults", "x-systemd.growfs"))


@dataclass(frozen=True, slots=True)
class FstabDeviceSetting:
    """path: where it is mounted. device: from what. kind: as mount(8) names it, for a table that
    has no line for the path.
    """

    path: str
    device: str
    kind: str

    @property
    def identity(self) -> dict[str, Any]:
        return {"fstab-device": [self.path, self.device, self.kind]}

    def describe(self) -> str:
        return f"{self.path} is mounted from {self.device}"

    def apply(self, tree: Tree) -> None:
        text = tree.files.read_text(_FSTAB)
        lines = text.splitlines()
        found = [self._is_its(line) for line in lines]
        both = zip(lines, found, strict=True)
        lines = [self._changed(line) if its else line for line, its in both]
        if not any(found):
            lines.append(f"{self.device} {self.path} {self.kind} ro 0 0")
        tree.files.write(_FSTAB, "".join(f"{line}\n" for line in lines).encode())

    def _is_its(self, line: str) -> bool:
        fields = line.split()
        return len(fields) >= 3 and not fields[0].startswith("#") and fields[1] == self.path

    def _changed(self, line: str) -> str:
        fields = line.split()
        given = fields[3].split(",") if len(fields) > 3 else []
        options = ["ro", *(each for each in given if each not in _WRITES and each != "ro")]
        return f"{self.device} {self.path} {fields[2]} {','.join(options)} 0 0"

    def checks(self) -> list[Check]:
        script = f"findmnt --noheadings --nofsroot --output SOURCE {self.path}"
        title = f"{self.path} is mounted from {self.device}"
        return [Check(f"mounts.{self.path}.device", title, script, self.device)]
