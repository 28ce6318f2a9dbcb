"""The parts of a small image, made without building one."""

from __future__ import annotations

import os
from pathlib import Path

from dockyard.archive import Archive
from dockyard.disk.layout import DiskLayout, lay_out
from dockyard.formats import Parts
from dockyard.model.architecture import Architecture
from dockyard.model.storage import Disk, Partition, Storage

MIB = 1 << 20
EPOCH = 1_767_225_600


def layout() -> DiskLayout:
    """A disk of 41 MiB and 512 KiB: no whole mebibytes."""
    partitions = (Partition(id="esp", size=16 * MIB), Partition(id="root", size=24 * MIB))
    size = 42 * MIB - MIB // 2
    return lay_out(Storage(disks=(Disk(max_size=size, partitions=partitions),)), b"seed")


def parts(folder: Path, root: Archive | None = None, *, backwards: bool = False) -> Parts:
    """The parts of an image `web`. backwards: the same content by other writes, so that holes do
    not lie alike.
    """
    places = {"esp": (16 * MIB, (0, 10 * MIB)), "root": (20 * MIB, (3 * MIB, 19 * MIB))}
    made = {}
    for key, (size, data) in places.items():
        made[key] = folder / f"{key}.image"
        with made[key].open("wb") as file:
            file.truncate(size)
            for at in reversed(data) if backwards else data:
                file.seek(at)
                file.write(os.fsencode(key) * 50_000)
    return Parts(
        name="web",
        architecture=Architecture.X86_64,
        seed=b"seed",
        epoch=EPOCH,
        root=root,
        layout=layout(),
        partitions=made,
    )
