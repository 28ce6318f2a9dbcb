"""What a disk is when it is laid out: its partitions, their file systems, and all their ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

from dockyard.disk import gpt
from dockyard.disk.identity import fat_serial
from dockyard.disk.verity import inline_data_size
from dockyard.model.storage import (
    CorruptionOption,
    FileSystemType,
    MountIdType,
    MountPoint,
)

# What the kernel can make larger while it is mounted: systemd-growfs(8).
GROWING_TYPES = (FileSystemType.EXT4, FileSystemType.XFS, FileSystemType.BTRFS)

# What a name of a FAT file system cannot have (mkfs.fat(8)).
_NOT_IN_FAT = str.maketrans(dict.fromkeys('*?.,;:/\\|+=<>[]"', "_"))
_LONGEST_FAT, _LONGEST, _LONGEST_SWAP = 11, 12, 15  # the second: what xfs holds, the least of all


# Of a history: the id that a subvolume was received as.
RECEIVED_ID = slice(16, 32)


@dataclass(frozen=True, slots=True)
class SubvolumeLayout:
    """A subvolume of btrfs. number: its id, 256 or more; 5 for the outermost one. path: from that
    one. most, most_own: limits in bytes for all data that it refers to, and for those of its own
    alone. history: what an image that exists says of where it came from (see `btrfs.subvolumes`).
    """

    number: int
    path: str
    uuid: UUID
    mount: MountPoint | None = None
    read_only: bool = False
    is_default: bool = False
    most: int | None = None
    most_own: int | None = None
    history: bytes = b""


@dataclass(frozen=True, slots=True)
class FileSystemLayout:
    """A file system that is made on a partition, with ids that are derived.

    device: the id in the image file of the partition or verity device that carries it.
    options: what its module in `filesystems` documents as its own. label: of one that existed
    before; None for one that is named as its partition is.
    """

    device: str
    type: FileSystemType
    uuid: UUID
    hash_seed: UUID | None
    mount: MountPoint | None = None
    subvolumes: tuple[SubvolumeLayout, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    label: str | None = None

    @property
    def uuid_text(self) -> str:
        """The id as `UUID=` names it: that of FAT is eight digits."""
        return fat_serial(self.uuid) if self.type.is_fat else str(self.uuid)

    @property
    def mounts(self) -> tuple[tuple[MountPoint, str | None], ...]:
        """Where the file system is mounted, each with the subvolume that is meant."""
        below = [(item.mount, item.path) for item in self.subvolumes]
        everywhere = [(self.mount, None), *below]
        return tuple((mount, path) for mount, path in everywhere if mount is not None)


@dataclass(frozen=True, slots=True)
class VerityLayout:
    """The verity device whose data a partition holds. name: below /dev/mapper. hashes: the key of
    the partition with the hash tree; inline: it is that of the data. uuid, salt: of the tree.
    existed: it is of an image that exists, whose command line says all of it but the root hash.
    root_hash: of a tree that is kept with its data; empty where it is to be found. offset: where an
    inline tree begins; 0 for as late as possible.
    data_by, hashes_by: how the kernel command line names them. signature: where in the image that
    of the root hash is; empty for none.
    """

    id: str
    name: str
    hashes: str
    inline: bool
    uuid: UUID
    salt: bytes
    existed: bool = False
    root_hash: str = ""
    offset: int = 0
    corruption: CorruptionOption = CorruptionOption.IO_ERROR
    data_by: MountIdType | None = None
    hashes_by: MountIdType | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class PartitionLayout:
    """One partition. start, size: bytes. grow: it took what was left of the disk. swap: the id of
    the swap space that it holds in place of a file system. kept: whether it keeps what it holds in
    an image that exists, whatever that is.
    """

    number: int
    id: str
    label: str
    start: int
    size: int
    type_guid: UUID
    guid: UUID
    attributes: int = 0
    grow: bool = False
    filesystem: FileSystemLayout | None = None
    verity: VerityLayout | None = None
    swap: UUID | None = None
    kept: bool = False

    @property
    def grows_when_booted(self) -> bool:
        """Whether it takes, with its file system, what a larger disk has at each boot."""
        system = self.filesystem
        return (
            self.grow
            and self.verity is None
            and system is not None
            and system.type in GROWING_TYPES
            and bool(system.mounts)
            and not any("ro" in mount.options.split(",") for mount, _ in system.mounts)
        )

    @property
    def content_size(self) -> int:
        """Bytes that its content may take: all but a hash tree that follows it."""
        if self.verity is None or not self.verity.inline:
            return self.size
        return self.verity.offset or inline_data_size(self.size)

    @property
    def key(self) -> str:
        """What names the partition among its disk's: its id, or its number where it has none."""
        return self.id or str(self.number)

    @property
    def content_label(self) -> str:
        """The name of what is on it: as much of its own as a file system, or swap space, can
        hold.
        """
        if self.filesystem is None:
            return self.label[:_LONGEST_SWAP]
        if self.filesystem.label is not None:
            return self.filesystem.label
        if self.filesystem.type.is_fat:
            return self.label.translate(_NOT_IN_FAT).strip()[:_LONGEST_FAT].upper()
        return self.label[:_LONGEST]


@dataclass(frozen=True, slots=True)
class DiskLayout:
    """A disk. size: bytes, with both copies of the partition table. boot_code: what a BIOS starts,
    up to 440 bytes of the first sector.
    """

    size: int
    guid: UUID
    partitions: tuple[PartitionLayout, ...]
    boot_code: bytes = b""

    def partition(self, key: str) -> PartitionLayout:
        """The partition with an id (or number, where it has none); raises KeyError."""
        for found in self.partitions:
            if found.key == key:
                return found
        raise KeyError(key)

    @property
    def verity(self) -> tuple[tuple[PartitionLayout, VerityLayout], ...]:
        """Every verity device, with the partition of its data."""
        return tuple((each, each.verity) for each in self.partitions if each.verity)

    def mounted_at(self, path: str) -> PartitionLayout | None:
        """The partition whose file system is mounted at a path, or None."""
        for found in self.partitions:
            if found.filesystem and any(at.path == path for at, _ in found.filesystem.mounts):
                return found
        return None

    def holding(self, path: str) -> tuple[PartitionLayout | None, str]:
        """The partition that a path of the image is on, and where it is mounted; None and the path
        itself where no file system is mounted at or above it.
        """
        for each in PurePosixPath(path).parents:
            if (found := self.mounted_at(str(each))) is not None:
                return found, str(each)
        return None, path

    @property
    def initrd_filesystems(self) -> tuple[str, ...]:
        """The kinds of file systems that the initrd mounts, sorted: of /, of /usr, of mounts with
        the option x-initrd.mount (bootup(7), systemd.mount(5)), and of signatures of root hashes.
        """
        signed = [self.holding(each.signature)[0] for _, each in self.verity if each.signature]
        holders = [each.filesystem for each in signed if each is not None]
        kinds = {system.type.kernel_name for system in holders if system is not None}
        for partition in self.partitions:
            system = partition.filesystem
            for mount, _ in system.mounts if system else ():
                early = "x-initrd.mount" in mount.options.split(",")
                if system and (mount.path in ("/", "/usr") or early):
                    kinds.add(system.type.kernel_name)
        return tuple(sorted(kinds))

    @property
    def table(self) -> gpt.Table:
        """The partition table to write."""
        entries = tuple(
            gpt.TableEntry(
                item.number,
                item.type_guid,
                item.guid,
                item.start,
                item.size,
                item.label,
                item.attributes,
            )
            for item in self.partitions
        )
        return gpt.Table(self.guid, self.size, entries)


# That of an image whose format has none.
NO_DISK = DiskLayout(0, UUID(int=0), ())
