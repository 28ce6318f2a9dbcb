"""The tools as they are in the result of the step that unpacked them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


@dataclass(frozen=True, slots=True)
class ToolTrees:
    """The unpacked trees. main: Debian stable. testing: what must be newer: xfs and btrfs."""

    main: Tools
    testing: Tools

    def named(self, name: str) -> Tools:
        """The tree of a name, as the modules of file systems say which one they need."""
        return self.testing if name == "testing" else self.main

    def emulator(self, target: Architecture) -> Path:
        """The program that runs those for another architecture; there where the trees are for
        images of it.
        """
        return self.main.root / f"usr/bin/qemu-{target}"


def trees_in(result: Path) -> ToolTrees:
    """The trees in a result."""
    from dockyard.host.sandbox import Tools

    return ToolTrees(Tools(result / "main"), Tools(result / "testing"))
