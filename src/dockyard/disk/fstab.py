"""The table of file systems that an image mounts: fstab(5), six fields a line.

A source is named by the id that the image file asks for, by default the partition's GUID. Lines are
in the order in which mounts depend on one another: what is mounted above comes first.
"""

from __future__ import annotations

from dockyard.disk.layout import DiskLayout, FileSystemLayout, PartitionLayout
from dockyard.disk.partition_types import ESP
from dockyard.model.storage import FileSystemType, MountIdType, MountPoint

# Has the mounted file system take all of its partition, which systemd-repart(8) made larger.
GROW = "x-systemd.growfs"

# Once the machine runs, only updates look into the ESP: no boot waits for its check, nor ends in
# emergency mode for want of it (systemd.mount(5)).
NO_WAIT = "nofail"


def source(partition: PartitionLayout, id_type: MountIdType | None) -> str:
    """How fstab and the kernel command line name a partition: `PARTUUID=…`, `UUID=…`, …"""
    if id_type is MountIdType.PART_LABEL:
        return f"PARTLABEL={partition.label}"
    if id_type is MountIdType.UUID and partition.filesystem is not None:
        return f"UUID={partition.filesystem.uuid_text}"
    return f"PARTUUID={partition.guid}"


def mounted_from(partition: PartitionLayout, mount: MountPoint) -> str:
    """The device that a file system is mounted from, as the first field of fstab(5) names it."""
    if partition.verity is not None:
        return f"/dev/mapper/{partition.verity.name}"
    return source(partition, mount.id_type)


def fstab(layout: DiskLayout) -> str:
    """The text of /etc/fstab for a disk."""
    lines: list[tuple[str, str]] = []
    for partition in layout.partitions:
        if partition.filesystem is None:
            continue
        for mount, subvolume in partition.filesystem.mounts:
            lines.append((mount.path, _line(partition, partition.filesystem, mount, subvolume)))
    # Paths in order of their parts: a mount point follows those above it.
    lines.sort(key=lambda item: [part for part in item[0].split("/") if part])
    swaps = [
        f"{source(partition, None)} none swap defaults 0 0"
        for partition in layout.partitions
        if partition.swap
    ]
    return "".join(f"{line}\n" for line in [*(line for _, line in lines), *swaps])


def _line(
    partition: PartitionLayout,
    filesystem: FileSystemLayout,
    mount: MountPoint,
    subvolume: str | None,
) -> str:
    device = mounted_from(partition, mount)
    options = [option for option in mount.options.split(",") if option]
    if subvolume is not None:
        options.append(f"subvol={subvolume}")
    if partition.grows_when_booted and (mount, subvolume) == filesystem.mounts[0]:
        options.append(GROW)
    if partition.type_guid == ESP and not {NO_WAIT, "noauto"} & set(options):
        options.append(NO_WAIT)
    if (partition.verity or filesystem.type is FileSystemType.EROFS) and "ro" not in options:
        options.append("ro")
    # Kinds that fsck(8) has something to do for at boot.
    has_fsck = filesystem.type is FileSystemType.EXT4 or filesystem.type.is_fat
    check = 0
    if has_fsck and not partition.verity:
        check = 1 if mount.path == "/" else 2
    # fstab(5): a blank within a field is written in octal.
    device = device.replace(" ", "\\040")
    kind, told = filesystem.type.kernel_name, ",".join(options) or "defaults"
    return " ".join((device, mount.path, kind, told, "0", str(check)))
