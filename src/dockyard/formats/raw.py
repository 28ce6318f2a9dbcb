"""raw: the disk as it is, byte for byte; holes stay holes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.disk.output import whole
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.formats.parts import Parts
from dockyard.host.files import copy_sparse

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class Raw(DiskFormat):
    name = "raw"
    extension = ".raw"

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.layout is not None
        image = out / f"{parts.name}{self.extension}"
        assemble(parts.layout, parts.partitions, image)
        return (image,)

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        with whole(image) as part:
            copy_sparse(disk, part, size=size)
