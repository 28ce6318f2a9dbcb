"""Growth at boot: what tells systemd-repart(8) which partition takes what a larger disk has.

It knows partitions by their type and order alone (repart.d(5)): each of the type that grows has a
file, in the order of the disk, in which all but the last are held to the size that they have. All
other types are left as they are. The file system follows by `x-systemd.growfs` in fstab(5).
"""

from __future__ import annotations

from dockyard.disk.layout import DiskLayout
from dockyard.disk.partitions import PartitionLayout


def growth(layout: DiskLayout) -> tuple[tuple[str, str], ...]:
    """The files for a disk as (name, text); none where no partition grows."""
    growing = next((item for item in layout.partitions if item.grows_when_booted), None)
    if growing is None:
        return ()
    return tuple(
        (f"{item.number:03}-{item.guid}.conf", _text(item, item is growing))
        for item in layout.partitions
        if item.type_guid == growing.type_guid
    )


def _text(item: PartitionLayout, grows: bool) -> str:
    lines = [f"# The partition {item.key}.", "[Partition]", f"Type={item.type_guid}"]
    if not grows:
        lines += [f"SizeMinBytes={item.size}", f"SizeMaxBytes={item.size}", "Weight=0"]
    return "".join(f"{line}\n" for line in lines)
