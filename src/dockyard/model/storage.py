"""Disks, partitions, file systems and verity devices of an image file (`storage`).

Sizes are bytes. What may stand together across these is in `storage_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from dockyard.model import storage_rules, storage_tree
from dockyard.model.base import Mistake, Model, Reading, Size


class BootType(StrEnum):
    EFI = "efi"
    LEGACY = "legacy"


class PartitionTableType(StrEnum):
    GPT = "gpt"


class PartitionType(StrEnum):
    """Partition types with a name; any other is written as its GUID."""

    ESP = "esp"
    BIOS_GRUB = "bios-grub"
    HOME = "home"
    LINUX_GENERIC = "linux-generic"
    ROOT = "root"
    ROOT_VERITY = "root-verity"
    SRV = "srv"
    SWAP = "swap"
    TMP = "tmp"
    USR = "usr"
    USR_VERITY = "usr-verity"
    VAR = "var"
    XBOOTLDR = "xbootldr"


class FileSystemType(StrEnum):
    BTRFS = "btrfs"
    EROFS = "erofs"
    EXT4 = "ext4"
    FAT32 = "fat32"
    VFAT = "vfat"
    XFS = "xfs"


class MountIdType(StrEnum):
    UUID = "uuid"
    PART_UUID = "part-uuid"
    PART_LABEL = "part-label"


class CorruptionOption(StrEnum):
    IO_ERROR = "io-error"
    IGNORE = "ignore"
    PANIC = "panic"
    RESTART = "restart"


class ResetPartitionsUuidsType(StrEnum):
    RESET_ALL = "reset-all"


class ReinitializeVerity(StrEnum):
    NONE = "none"
    ALL = "all"


PartitionSize: TypeAlias = Annotated[int | Literal["grow"], Reading.SIZE_OR_GROW]


class Partition(Model):
    """One partition of a disk."""

    id: str = Field(
        default="",
        description="Name by which the rest of the file refers to the partition.",
        examples=["rootfs"],
    )
    label: str = Field(
        default="",
        description="Name in the partition table (PARTLABEL): ASCII, up to 35 characters.",
        examples=["root"],
    )
    start: Size | None = Field(
        default=None,
        description="Where the partition starts. Default: where the one before it ends, or 1M.",
        examples=["1M"],
    )
    end: Size | None = Field(
        default=None,
        description="Where the partition ends (exclusive). Excludes `size`.",
        examples=["9M"],
    )
    size: PartitionSize | None = Field(
        default=None,
        description=(
            "Size of the partition, or `grow` to fill the rest of the disk. Only the last "
            "partition may grow, which is also its default."
        ),
        examples=["2G", "grow"],
    )
    type: PartitionType | Annotated[str, "guid"] | None = Field(
        default=None,
        description="Name of the partition type, or its GUID. Default: `linux-generic`.",
        examples=["esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"],
    )

    @property
    def grows(self) -> bool:
        """Whether the partition takes what is left of the disk."""
        return self.end is None and self.size in (None, "grow")

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.partition(self)


class Disk(Model):
    """The partition table of a disk."""

    partition_table_type: PartitionTableType = Field(
        default=PartitionTableType.GPT,
        description="Kind of the partition table.",
        examples=["gpt"],
    )
    max_size: Size | None = Field(
        default=None,
        description=(
            "Size of the disk. Default: as much as the partitions and the table need, which "
            "takes that the last partition has an end or a size."
        ),
        examples=["4G"],
    )
    partitions: tuple[Partition, ...] = Field(
        default=(), description="The partitions, in the order in which they lie on the disk."
    )

    @property
    def extents(self) -> tuple[tuple[int, int | None], ...]:
        """Start and end of each partition in bytes; the end is None where it grows."""
        return storage_rules.extents(self)

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.disk(self)


class MountPoint(Model):
    """Where a file system is mounted. A bare string is its path."""

    shorthand: ClassVar[str | None] = "path"

    id_type: MountIdType | None = Field(
        default=None,
        description="How /etc/fstab names the file system. Default: `part-uuid`.",
        examples=["part-label"],
    )
    options: str = Field(
        default="", description="Mount options, separated by commas.", examples=["umask=0077"]
    )
    path: str = Field(default="", description="Absolute path in the image.", examples=["/boot/efi"])

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.mount_point(self)


class BtrfsQuota(Model):
    """Limits of a btrfs subvolume."""

    referenced_limit: Size | None = Field(
        default=None,
        description="Most data that the subvolume may refer to, shared data included.",
        examples=["10G"],
    )
    exclusive_limit: Size | None = Field(
        default=None,
        description="Most data that the subvolume may hold for itself alone.",
        examples=["8G"],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.quota(self)


class BtrfsSubvolume(Model):
    """A subvolume of a btrfs file system."""

    path: str = Field(
        default="",
        description="Path from the top of the file system, without a leading or trailing slash.",
        examples=["root", "var/log"],
    )
    mount_point: MountPoint | None = Field(
        default=None, description="Where the subvolume is mounted. Default: nowhere."
    )
    quota: BtrfsQuota | None = Field(default=None, description="Limits of the subvolume.")

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.subvolume(self)


class Btrfs(Model):
    """What only btrfs file systems have."""

    subvolumes: tuple[BtrfsSubvolume, ...] = Field(
        default=(),
        description="Subvolumes to create. Excludes the file system's own `mountPoint`.",
    )

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.subvolumes(self)


class FileSystem(Model):
    """A file system on a partition or a verity device."""

    device_id: str = Field(
        default="",
        description="`id` of the partition or of the verity device.",
        examples=["rootfs"],
    )
    type: FileSystemType | None = Field(
        default=None,
        description="Kind of the file system. Default: none is made.",
        examples=["ext4"],
    )
    mount_point: MountPoint | None = Field(
        default=None, description="Where it is mounted. Default: nowhere.", examples=["/"]
    )
    btrfs: Btrfs | None = Field(default=None, description="Settings of a btrfs file system.")

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.file_system(self)


class IdentifiedPartition(Model):
    """A partition that the input image already has."""

    id_type: Literal["part-label"] = Field(
        default="part-label", description="How the partition is named.", examples=["part-label"]
    )
    id: str = Field(default="", description="Label of the partition.", examples=["root"])

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.identified_partition(self)


class Verity(Model):
    """A dm-verity device: data that is checked against a hash tree as it is read."""

    id: str = Field(
        default="",
        description="Name by which `filesystems` refers to the device.",
        examples=["rootverity"],
    )
    name: str = Field(
        default="",
        description="Name of the device: `root` for `/`, `usr` for `/usr`.",
        examples=["root"],
    )
    data_device_id: str = Field(
        default="", description="`id` of the partition with the data.", examples=["root"]
    )
    data_device: IdentifiedPartition | None = Field(
        default=None, description="Partition with the data, in an input image whose disk is kept."
    )
    hash_device_id: str = Field(
        default="",
        description=(
            "`id` of the partition for the hash tree. The same as `dataDeviceId`: the tree "
            "follows the data in one partition."
        ),
        examples=["roothash"],
    )
    hash_device: IdentifiedPartition | None = Field(
        default=None,
        description="Partition with the hash tree, in an input image whose disk is kept.",
    )
    data_device_mount_id_type: MountIdType | None = Field(
        default=None,
        description="How the kernel command line names the data partition. Default: `part-uuid`.",
        examples=["part-label"],
    )
    hash_device_mount_id_type: MountIdType | None = Field(
        default=None,
        description="How the kernel command line names the hash partition. Default: `part-uuid`.",
        examples=["part-label"],
    )
    corruption_option: CorruptionOption = Field(
        default=CorruptionOption.IO_ERROR,
        description="What happens when data does not match its hash.",
        examples=["panic"],
    )
    hash_signature_path: str = Field(
        default="",
        description="Where in the image, under /boot, the signature of the root hash lies.",
        examples=["/boot/root.hash.sig"],
    )

    @property
    def inline(self) -> bool:
        """Whether the hash tree shares the data's partition."""
        return bool(self.data_device_id) and self.data_device_id == self.hash_device_id

    def mistakes(self) -> Iterable[Mistake]:
        return storage_rules.verity(self)


class Storage(Model):
    """Disk layout of the image."""

    boot_type: BootType | None = Field(
        default=None,
        description="How the machine starts: `efi` or `legacy` (BIOS). Needed with `disks`.",
        examples=["efi"],
    )
    disks: tuple[Disk, ...] = Field(
        default=(), description="The disk to lay out anew. At most one."
    )
    filesystems: tuple[FileSystem, ...] = Field(
        default=(), description="File systems on the disk's partitions."
    )
    verity: tuple[Verity, ...] = Field(default=(), description="dm-verity devices.")
    reset_partitions_uuids_type: ResetPartitionsUuidsType | None = Field(
        default=None,
        description="Give new ids to the partitions and file systems of the input image.",
        examples=["reset-all"],
    )
    reinitialize_verity: ReinitializeVerity | None = Field(
        default=None,
        description="Hash anew the verity devices that the input image already has.",
        examples=["all"],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return storage_tree.storage(self)
