"""Disk layout of an image file (`storage`): disks, file systems, verity devices.

Disks with their partitions and file systems have modules of their own and are found here as well.
What may stand together across them is in `storage_rules` and `mount_rules`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar, Literal

from dockyard.model.base import Mistake, Model, separator_mistakes
from dockyard.model.fields import field
from dockyard.model.filesystems import (
    Btrfs,
    BtrfsQuota,
    BtrfsSubvolume,
    Erofs,
    ErofsCompression,
    FileSystem,
    FileSystemType,
    MountIdType,
    MountPoint,
    normal,
)
from dockyard.model.partitions import (
    Disk,
    Partition,
    PartitionSize,
    PartitionTableType,
    PartitionType,
)

__all__ = [
    "VERITY_MOUNTS",
    "BootType",
    "Btrfs",
    "BtrfsQuota",
    "BtrfsSubvolume",
    "CorruptionOption",
    "Disk",
    "Erofs",
    "ErofsCompression",
    "FileSystem",
    "FileSystemType",
    "IdentifiedPartition",
    "MountIdType",
    "MountPoint",
    "Partition",
    "PartitionSize",
    "PartitionTableType",
    "PartitionType",
    "ReinitializeVerity",
    "ResetPartitionsUuidsType",
    "Storage",
    "Verity",
]

# The device that the initrd sets up for each mount point, by name.
VERITY_MOUNTS = {"/": "root", "/usr": "usr"}


class BootType(StrEnum):
    EFI = "efi"
    LEGACY = "legacy"
    HYBRID = "hybrid"

    @property
    def by_bios(self) -> bool:
        """Whether a BIOS starts the disk, be it that UEFI firmware does so, too."""
        return self is not BootType.EFI


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


class IdentifiedPartition(Model):
    """A partition that the input image already has."""

    id_type: Literal["part-label"] = field(
        "How the partition is named.", default="part-label", examples=["part-label"]
    )
    id: str = field("Label of the partition.", default="", examples=["root"])

    def mistakes(self) -> Iterator[Mistake]:
        if not self.id:
            yield Mistake(("id",), "config.required", "no `id`", "add the label of the partition")


class Verity(Model):
    """A dm-verity device: data that is checked against a hash tree as it is read."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "required": ["id", "name"],
        "oneOf": [
            {"required": ["dataDeviceId", "hashDeviceId"]},
            {"required": ["dataDevice", "hashDevice"]},
        ],
    }

    id: str = field(
        "Name by which `filesystems` refers to the device.", default="", examples=["rootverity"]
    )
    name: str = field(
        "Name of the device: `root` for `/`, `usr` for `/usr`.", default="", examples=["root"]
    )
    data_device_id: str = field(
        "`id` of the partition with the data.", default="", examples=["root"]
    )
    data_device: IdentifiedPartition | None = field(
        "Partition with the data, in an input image whose disk is kept.", default=None
    )
    hash_device_id: str = field(
        "`id` of the partition for the hash tree. The same as `dataDeviceId`: the tree "
        "follows the data in one partition.",
        default="",
        examples=["roothash"],
    )
    hash_device: IdentifiedPartition | None = field(
        "Partition with the hash tree, in an input image whose disk is kept.", default=None
    )
    data_device_mount_id_type: MountIdType | None = field(
        "How the kernel command line names the data partition. Default: `part-uuid`.",
        default=None,
        examples=["part-label"],
    )
    hash_device_mount_id_type: MountIdType | None = field(
        "How the kernel command line names the hash partition. Default: `part-uuid`.",
        default=None,
        examples=["part-label"],
    )
    corruption_option: CorruptionOption = field(
        "What happens when data does not match its hash.",
        default=CorruptionOption.IO_ERROR,
        examples=["panic"],
    )
    hash_signature_path: str = field(
        "Where in the image, under /boot, the signature of the root hash is.",
        default="",
        examples=["/boot/root.hash.sig"],
    )

    @property
    def inline(self) -> bool:
        """Whether the hash tree shares the data's partition."""
        return bool(self.data_device_id) and self.data_device_id == self.hash_device_id

    def mistakes(self) -> Iterator[Mistake]:
        if not self.id:
            yield Mistake(("id",), "config.required", "the verity device has no `id`", "add `id`")
        if self.name not in VERITY_MOUNTS.values():
            yield Mistake(
                ("name",),
                "config.verity-name",
                f"{self.name!r} is not the name of a verity device",
                "use `root` for / or `usr` for /usr",
                "the initrd sets up these two, by name",
            )
        for role, device_id, device in (
            ("data", self.data_device_id, self.data_device),
            ("hash", self.hash_device_id, self.hash_device),
        ):
            if device_id and device:
                yield Mistake(
                    (f"{role}Device",),
                    "config.exclusive",
                    f"`{role}DeviceId` and `{role}Device` exclude each other",
                    "keep one of them",
                )
            if not device_id and not device:
                yield Mistake(
                    (),
                    "config.required",
                    f"the verity device has neither `{role}DeviceId` nor `{role}Device`",
                    f"add `{role}DeviceId: <id of a partition>`",
                )
        if (self.data_device_id and self.hash_device) or (self.data_device and self.hash_device_id):
            yield Mistake(
                ("hashDevice" if self.hash_device else "hashDeviceId",),
                "config.exclusive",
                "one device is of the new disk, the other of the input image",
                "use `dataDeviceId` with `hashDeviceId`, or `dataDevice` with `hashDevice`",
            )
        path = self.hash_signature_path
        yield from separator_mistakes(path, "hashSignaturePath")
        if path and (normal(path) != path or not re.match(r"/boot/.", path)):
            yield Mistake(
                ("hashSignaturePath",),
                "config.verity-signature",
                f"{path!r} is not a path under /boot",
                "write an absolute path such as /boot/root.hash.sig, without `.` and `..`",
            )


class Storage(Model):
    """Disk layout of the image."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "dependentRequired": {"bootType": ["disks"], "filesystems": ["disks"]}
    }

    boot_type: BootType | None = field(
        "How the machine starts: `efi`, `legacy` (BIOS), or `hybrid`: by either, with GRUB. "
        "Needed with `disks`.",
        default=None,
        examples=["efi"],
    )
    disks: tuple[Disk, ...] = field(
        "The disk to partition. At most one.", default=(), schema={"maxItems": 1}
    )
    filesystems: tuple[FileSystem, ...] = field(
        "File systems on the disk's partitions.", default=()
    )
    verity: tuple[Verity, ...] = field("dm-verity devices.", default=())
    reset_partitions_uuids_type: ResetPartitionsUuidsType | None = field(
        "Give new ids to the partitions and file systems of the input image.",
        default=None,
        examples=["reset-all"],
    )
    reinitialize_verity: ReinitializeVerity | None = field(
        "Rehash the verity devices that the input image already has.",
        default=None,
        examples=["all"],
    )
