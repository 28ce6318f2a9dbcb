"""The partition that grows takes what a larger disk has at each boot, and no other does."""

from __future__ import annotations

import pytest
from storage_sections import GIB, MIB, one_partition, two_partitions, verity_root

from dockyard.disk.growth import growth
from dockyard.disk.layout import lay_out
from dockyard.model.storage import (
    Disk,
    FileSystem,
    FileSystemType,
    MountPoint,
    Partition,
    Storage,
)


def test_a_growing_root_is_told_by_its_type() -> None:
    layout = lay_out(two_partitions(), b"seed")
    root = layout.partitions[1]
    assert growth(layout) == (
        (
            f"002-{root.guid}.conf",
            "# The partition rootfs.\n[Partition]\nType=4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n",
        ),
    )


def test_those_of_the_same_type_before_it_keep_their_size() -> None:
    partitions = (
        Partition(id="esp", type="esp", size=64 * MIB),
        Partition(id="a", size=64 * MIB),
        Partition(id="root", type="root", size=GIB),
        Partition(id="b", size="grow"),
    )
    systems = tuple(
        FileSystem(device_id=name, type=FileSystemType.EXT4, mount_point=MountPoint(path=path))
        for name, path in (("a", "/a"), ("root", "/"), ("b", "/b"))
    )
    layout = lay_out(
        Storage(disks=(Disk(max_size=2 * GIB, partitions=partitions),), filesystems=systems),
        b"seed",
    )
    (held_name, held), (grown_name, grown) = growth(layout)
    assert held_name < grown_name
    assert f"SizeMinBytes={64 * MIB}\nSizeMaxBytes={64 * MIB}\nWeight=0\n" in held
    assert "Size" not in grown


@pytest.mark.parametrize(
    ("kind", "options"),
    [(FileSystemType.EROFS, ""), (FileSystemType.EXT4, "noatime,ro"), (FileSystemType.VFAT, "")],
)
def test_what_cannot_grow_does_not(kind: FileSystemType, options: str) -> None:
    mount = MountPoint(path="/", options=options)
    system = FileSystem(device_id="rootfs", type=kind, mount_point=mount)
    assert growth(lay_out(one_partition(system), b"seed")) == ()
    fixed = FileSystem(device_id="rootfs", type=FileSystemType.EXT4, mount_point=mount)
    assert growth(lay_out(one_partition(fixed, size=GIB), b"seed")) == ()
    assert growth(lay_out(verity_root(), b"seed")) == ()
