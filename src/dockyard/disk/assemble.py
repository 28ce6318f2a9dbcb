"""Puts a raw disk together from the images of its partitions.

The disk is a sparse file: only the data of the partition images is copied, by reflink or in the
kernel, and their holes stay holes. It appears under its name when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dockyard.disk import gpt
from dockyard.disk.layout import DiskLayout, size_text
from dockyard.disk.output import whole
from dockyard.errors import Problems
from dockyard.host.files import copy_range, data_ranges


def assemble(layout: DiskLayout, parts: Mapping[str, Path], out: Path) -> None:
    """Write a disk.

    parts: partition images by the partition's id (or number, where it has none); a partition
    without one stays empty. Raises DockyardError when an image has no partition or is larger than
    it, or no space is left; nothing is left behind then.
    """
    _check(layout, parts)
    with whole(out) as part, part.open("xb") as disk:
        os.ftruncate(disk.fileno(), layout.size)
        gpt.write(layout.table, disk, layout.boot_code)
        disk.flush()
        for partition in layout.partitions:
            image = parts.get(partition.key)
            if image is not None:
                _copy(image, disk.fileno(), partition.start)


def _check(layout: DiskLayout, parts: Mapping[str, Path]) -> None:
    problems = Problems()
    keys = {partition.key: partition for partition in layout.partitions}
    for key, image in sorted(parts.items()):
        if key not in keys:
            problems.add("disk.unknown-partition", f"the disk has no partition {key}")
            continue
        size = image.stat().st_size
        if size > keys[key].size:
            problems.add(
                "disk.partition-too-small",
                f"the content of the partition {key} needs {size_text(size)}, "
                f"but it has {size_text(keys[key].size)}",
                fix="make the partition larger",
            )
    problems.raise_any()


def _copy(image: Path, disk: int, start: int) -> None:
    with image.open("rb") as source:
        for at, end in data_ranges(source.fileno(), os.fstat(source.fileno()).st_size):
            copy_range(source.fileno(), disk, at, end, start + at)
