"""The host name: /etc/hostname (hostname(5))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.errors import Position
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree


@dataclass(frozen=True, slots=True)
class HostnameSetting:
    """`os.hostname`."""

    name: str
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"hostname": self.name}

    def describe(self) -> str:
        return f"host name {self.name}"

    def apply(self, tree: Tree) -> None:
        tree.files.write("/etc/hostname", f"{self.name}\n".encode())

    def checks(self) -> list[Check]:
        script = "cat /proc/sys/kernel/hostname"
        title = f"the host name is {self.name}"
        return [Check("hostname", title, script, self.name, self.position)]
