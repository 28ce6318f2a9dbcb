"""raw: the disk as it is, byte for byte; holes stay holes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.formats.parts import Part, Parts

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class Raw:
    name = "raw"
    extension = ".raw"
    needs = frozenset((Part.DISK,))
    runs_programs = False

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.layout is not None
        image = out / f"{parts.name}{self.extension}"
        assemble(parts.layout, parts.partitions, image)
        return (image,)
