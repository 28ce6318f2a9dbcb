"""raw: the disk as it is, byte for byte; holes stay holes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.disk.output import whole
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.formats.parts import Parts
from dockyard.host.files import copy_range, data_ranges

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
            copy_disk(disk, size, part)


def copy_disk(disk: Path, size: int, out: Path) -> None:
    """Copy the first `size` bytes of a file with their holes. Raises OSError."""
    with disk.open("rb") as source, out.open("xb") as target:
        os.ftruncate(target.fileno(), size)
        for start, end in data_ranges(source.fileno(), size):
            copy_range(source.fileno(), target.fileno(), start, min(end, size), start)
