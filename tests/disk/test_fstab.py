"""fstab names file systems as asked, in mount order, with fsck's pass where fsck has work."""

from __future__ import annotations

from uuid import UUID

from storage_sections import GIB, MIB, btrfs_root, one_partition, two_partitions, verity_root

from dockyard.disk.fstab import fstab
from dockyard.disk.layout import lay_out
from dockyard.model.storage import (
    Disk,
    FileSystem,
    FileSystemType,
    MountIdType,
    MountPoint,
    Partition,
    PartitionType,
    Storage,
)


def test_partitions_are_named_by_their_guid_unless_asked_otherwise() -> None:
    layout = lay_out(two_partitions(), b"seed")
    esp, root = layout.partitions
    assert fstab(layout) == (
        f"PARTUUID={root.guid} / ext4 x-systemd.growfs 0 1\n"
        f"PARTUUID={esp.guid} /boot/efi vfat umask=0077,nofail 0 2\n"
    )


def test_other_ids() -> None:
    by_uuid = lay_out(two_partitions(id_type=MountIdType.UUID), b"seed")
    esp, root = by_uuid.partitions
    assert esp.filesystem and root.filesystem
    lines = fstab(by_uuid).splitlines()
    assert lines[0].startswith(f"UUID={root.filesystem.uuid} / ")
    assert lines[1].startswith(f"UUID={esp.filesystem.uuid_text} /boot/efi ")
    by_label = fstab(lay_out(two_partitions(id_type=MountIdType.PART_LABEL), b"seed"))
    assert [line.split()[0] for line in by_label.splitlines()] == [
        "PARTLABEL=root",
        "PARTLABEL=esp",
    ]


def test_a_blank_in_a_label_is_written_in_octal() -> None:
    mount = MountPoint(path="/", id_type=MountIdType.PART_LABEL)
    filesystem = FileSystem(device_id="rootfs", type=FileSystemType.XFS, mount_point=mount)
    text = fstab(lay_out(one_partition(filesystem, label="my root"), b"seed"))
    assert text == "PARTLABEL=my\\040root / xfs x-systemd.growfs 0 0\n"


def test_subvolumes_are_mounted_each_from_the_same_partition() -> None:
    layout = lay_out(btrfs_root(), b"seed")
    guid = layout.partitions[0].guid
    assert isinstance(guid, UUID)
    assert fstab(layout) == (
        f"PARTUUID={guid} / btrfs subvol=root 0 0\n"
        f"PARTUUID={guid} /home btrfs noatime,subvol=home,x-systemd.growfs 0 0\n"
    )


def test_verity_is_mounted_read_only_from_its_mapped_device() -> None:
    assert fstab(lay_out(verity_root(), b"seed")) == "/dev/mapper/root / erofs noatime,ro 0 0\n"


def test_swap_space_comes_last() -> None:
    partitions = (
        Partition(id="swap", type=PartitionType.SWAP, size=64 * MIB),
        Partition(id="rootfs", type=PartitionType.ROOT, size=GIB),
    )
    mount = MountPoint(path="/")
    filesystem = FileSystem(device_id="rootfs", type=FileSystemType.EXT4, mount_point=mount)
    storage = Storage(disks=(Disk(partitions=partitions),), filesystems=(filesystem,))
    layout = lay_out(storage, b"seed")
    swap, root = layout.partitions
    assert swap.swap and not root.swap
    assert fstab(layout) == (
        f"PARTUUID={root.guid} / ext4 defaults 0 1\nPARTUUID={swap.guid} none swap defaults 0 0\n"
    )


def test_a_swap_partition_with_a_file_system_is_no_swap_space() -> None:
    filesystem = FileSystem(device_id="rootfs", type=FileSystemType.EXT4)
    layout = lay_out(one_partition(filesystem, type="swap", size=GIB), b"seed")
    assert layout.partitions[0].swap is None and fstab(layout) == ""
