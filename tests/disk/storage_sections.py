"""Storage sections that the tests of this room share."""

from __future__ import annotations

from typing import Any

from dockyard.model.storage import (
    Btrfs,
    BtrfsSubvolume,
    CorruptionOption,
    Disk,
    FileSystem,
    FileSystemType,
    MountIdType,
    MountPoint,
    Partition,
    PartitionType,
    Storage,
    Verity,
)

MIB = 1 << 20
GIB = 1 << 30


def two_partitions(
    max_size: int | None = 4 * GIB, id_type: MountIdType | None = None, options: str = ""
) -> Storage:
    """An ESP of 512 MiB and an ext4 root that grows."""
    return Storage(
        disks=(
            Disk(
                max_size=max_size,
                partitions=(
                    Partition(id="esp", label="esp", type=PartitionType.ESP, size=512 * MIB),
                    Partition(id="rootfs", label="root", type=PartitionType.ROOT, size="grow"),
                ),
            ),
        ),
        filesystems=(
            FileSystem(
                device_id="esp",
                type=FileSystemType.FAT32,
                mount_point=MountPoint(path="/boot/efi", options="umask=0077", id_type=id_type),
            ),
            FileSystem(
                device_id="rootfs",
                type=FileSystemType.EXT4,
                mount_point=MountPoint(path="/", id_type=id_type, options=options),
            ),
        ),
    )


def one_partition(filesystem: FileSystem, **partition: Any) -> Storage:
    """A disk of 4 GiB with one partition and its file system."""
    values: dict[str, Any] = {
        "id": "rootfs",
        "label": "root",
        "type": "root",
        "size": "grow",
        **partition,
    }
    return Storage(
        disks=(Disk(max_size=4 * GIB, partitions=(Partition(**values),)),),
        filesystems=(filesystem,),
    )


def btrfs_root() -> Storage:
    """A btrfs root with subvolumes for / and /home."""
    subvolumes = (
        BtrfsSubvolume(path="home", mount_point=MountPoint(path="/home", options="noatime")),
        BtrfsSubvolume(path="root", mount_point=MountPoint(path="/")),
        BtrfsSubvolume(path="spare"),
    )
    return one_partition(
        FileSystem(
            device_id="rootfs", type=FileSystemType.BTRFS, btrfs=Btrfs(subvolumes=subvolumes)
        )
    )


def verity_root() -> Storage:
    """An erofs root on verity, with its hashes in a second partition."""
    return Storage(
        disks=(
            Disk(
                partitions=(
                    Partition(id="root", label="root", type=PartitionType.ROOT, size=GIB),
                    Partition(
                        id="hash", label="hash", type=PartitionType.ROOT_VERITY, size=64 * MIB
                    ),
                )
            ),
        ),
        filesystems=(
            FileSystem(
                device_id="rootverity",
                type=FileSystemType.EROFS,
                mount_point=MountPoint(path="/", options="noatime"),
            ),
        ),
        verity=(
            Verity(
                id="rootverity",
                name="root",
                data_device_id="root",
                hash_device_id="hash",
                hash_device_mount_id_type=MountIdType.PART_LABEL,
                corruption_option=CorruptionOption.PANIC,
            ),
        ),
    )
