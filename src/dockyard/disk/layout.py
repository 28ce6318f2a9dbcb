"""Turns the `storage` of an image file into a disk: where each partition lies, its ids and types.

Partitions start at whole mebibytes. A disk without a size of its own ends one mebibyte after its
last partition, which is room for the second copy of the table. All ids come from a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from dockyard.disk import gpt
from dockyard.disk.identity import derive, fat_serial
from dockyard.disk.partition_types import DISCOVERABLE, GROW_FILE_SYSTEM, READ_ONLY, type_guid
from dockyard.errors import Position, Problems
from dockyard.model.base import MIB
from dockyard.model.storage import (
    BtrfsSubvolume,
    Disk,
    FileSystem,
    FileSystemType,
    MountPoint,
    Partition,
    PartitionType,
    Storage,
)

FAT_TYPES = (FileSystemType.FAT32, FileSystemType.VFAT)

# A file system of a kind is never smaller than this; its own tool would refuse with less to read.
_LEAST: Mapping[FileSystemType, int] = {
    FileSystemType.BTRFS: 109 * MIB,
    FileSystemType.XFS: 300 * MIB,
    FileSystemType.FAT32: 33 * MIB,
}


@dataclass(frozen=True, slots=True)
class FileSystemLayout:
    """A file system that is made on a partition, with ids that are derived.

    device: the id in the image file of the partition or verity device that carries it.
    """

    device: str
    type: FileSystemType
    uuid: UUID
    hash_seed: UUID
    mount: MountPoint | None = None
    subvolumes: tuple[BtrfsSubvolume, ...] = ()

    @property
    def uuid_text(self) -> str:
        """The id as `UUID=` names it: that of FAT is eight digits."""
        return fat_serial(self.uuid) if self.type in FAT_TYPES else str(self.uuid)

    @property
    def mounts(self) -> tuple[tuple[MountPoint, str | None], ...]:
        """Where the file system is mounted, each with the subvolume that is meant."""
        below = [(item.mount_point, item.path) for item in self.subvolumes]
        everywhere = [(self.mount, None), *below]
        return tuple((mount, path) for mount, path in everywhere if mount is not None)


@dataclass(frozen=True, slots=True)
class VerityLayout:
    """The verity device whose data a partition holds. name: below /dev/mapper."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PartitionLayout:
    """One partition. start, size: bytes. grow: it took what was left of the disk."""

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

    @property
    def key(self) -> str:
        """What names the partition among its disk's: its id, or its number where it has none."""
        return self.id or str(self.number)


@dataclass(frozen=True, slots=True)
class DiskLayout:
    """A disk. size: bytes, with both copies of the partition table."""

    size: int
    guid: UUID
    partitions: tuple[PartitionLayout, ...]

    def partition(self, key: str) -> PartitionLayout:
        """The partition with an id (or number, where it has none); raises KeyError."""
        for found in self.partitions:
            if found.key == key:
                return found
        raise KeyError(key)

    def mounted_at(self, path: str) -> PartitionLayout | None:
        """The partition whose file system is mounted at a path, or None."""
        for found in self.partitions:
            if found.filesystem and any(at.path == path for at, _ in found.filesystem.mounts):
                return found
        return None

    @property
    def initrd_filesystems(self) -> tuple[str, ...]:
        """The kinds of file systems that the initrd mounts, sorted: of /, of /usr, and of mounts
        with the option x-initrd.mount (bootup(7), systemd.mount(5)).
        """
        kinds: set[str] = set()
        for partition in self.partitions:
            system = partition.filesystem
            for mount, _ in system.mounts if system else ():
                early = "x-initrd.mount" in mount.options.split(",")
                if system and (mount.path in ("/", "/usr") or early):
                    kinds.add("vfat" if system.type in FAT_TYPES else system.type.value)
        return tuple(sorted(kinds))

    @property
    def table(self) -> gpt.Table:
        """The partition table to write."""
        entries = tuple(
            gpt.Entry(
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


def lay_out(
    storage: Storage,
    seed: bytes,
    architecture: str = "x86_64",
    positions: Mapping[str, Position] | None = None,
) -> DiskLayout:
    """Lay out the disk of an image file.

    seed: decides every id. positions: where values stand in the file, by path
    (`storage.disks[0].partitions[1].size`). Raises DockyardError with everything that does not fit.
    """
    problems = _Reported(positions or {})
    if not storage.disks:
        problems.add("disk.no-disk", "the image file lays out no disk", "storage")
        problems.raise_any()
    disk = storage.disks[0]
    filesystems = _filesystems(storage, seed)
    verity = {item.data_device_id: VerityLayout(item.id, item.name) for item in storage.verity}
    size = _disk_size(disk, problems)
    partitions: list[PartitionLayout] = []
    at = MIB
    for index, item in enumerate(disk.partitions):
        start = at if item.start is None else item.start
        end = _end(item, start, size)
        key = item.id or str(index + 1)
        device = verity.get(item.id)
        laid = PartitionLayout(
            index + 1,
            item.id,
            item.label,
            start,
            end - start,
            _type(item, architecture, index, problems),
            derive(seed, "partition", key),
            0,
            item.grows,
            filesystems.get(device.id if device else item.id),
            device,
        )
        _check(laid, item, at, size, f"storage.disks[0].partitions[{index}]", problems)
        partitions.append(_with_attributes(laid))
        at = max(at, end)
    _check_count(partitions, problems)
    problems.raise_any()
    return DiskLayout(size, derive(seed, "disk"), tuple(partitions))


def _type(item: Partition, architecture: str, index: int, problems: Problems) -> UUID:
    try:
        return type_guid(item.type, architecture)
    except ValueError:
        problems.add(
            "disk.partition-type",
            f"{item.type!r} is neither the name of a partition type nor a GUID",
            f"storage.disks[0].partitions[{index}].type",
            fix=f"use one of {', '.join(PartitionType)}, or a GUID",
        )
        return UUID(int=0)


class _Reported(Problems):
    """Problems whose places are paths in the image file."""

    def __init__(self, positions: Mapping[str, Position]) -> None:
        super().__init__()
        self._positions = positions

    def add(
        self,
        code: str,
        what: str,
        where: Position | str | None = None,
        *,
        why: str = "",
        fix: str = "",
        excerpt: tuple[str, ...] = (),
    ) -> None:
        if isinstance(where, str):
            path = where
            # A value that is not written stands where its nearest mapping does.
            while path and path not in self._positions:
                path = path[: max(path.rfind("."), path.rfind("["), 0)]
            where = self._positions.get(path, where)
        super().add(code, what, where, why=why, fix=fix, excerpt=excerpt)


def _filesystems(storage: Storage, seed: bytes) -> dict[str, FileSystemLayout]:
    found: dict[str, FileSystemLayout] = {}
    for item in storage.filesystems:
        if item.type is not None:
            found[item.device_id] = _filesystem(item, item.type, seed)
    return found


def _filesystem(item: FileSystem, kind: FileSystemType, seed: bytes) -> FileSystemLayout:
    return FileSystemLayout(
        item.device_id,
        kind,
        derive(seed, "filesystem", item.device_id),
        derive(seed, "hash-seed", item.device_id),
        item.mount_point,
        item.btrfs.subvolumes if item.btrfs else (),
    )


def _disk_size(disk: Disk, problems: Problems) -> int:
    if disk.max_size is not None:
        return disk.max_size
    last = disk.partitions[-1] if disk.partitions else None
    if last is None or last.grows:
        problems.add(
            "disk.size-unknown",
            "the disk has no size: its last partition has none and the disk has no maxSize",
            "storage.disks[0]",
            fix="give the disk a maxSize, or the last partition a size",
        )
        problems.raise_any()
    at = MIB
    for item in disk.partitions:
        start = at if item.start is None else item.start
        at = max(at, _end(item, start, 0))
    return at + MIB


def _end(item: Partition, start: int, disk_size: int) -> int:
    if item.end is not None:
        return item.end
    if isinstance(item.size, int):
        return start + item.size
    usable = disk_size - gpt.TAIL_SECTORS * gpt.SECTOR
    return usable // MIB * MIB


def _check(
    laid: PartitionLayout, item: Partition, free: int, size: int, path: str, problems: Problems
) -> None:
    name = f"the partition {laid.key}"
    end = f"{path}.{'end' if item.end is not None else 'size'}"
    if laid.start < free:
        problems.add(
            "disk.overlap",
            f"{name} starts at {shown(laid.start)}, before {shown(free)} is free",
            f"{path}.start",
            why="the first mebibyte holds the partition table" if laid.number == 1 else "",
            fix="leave start out: the partition then follows the one before it",
        )
    if laid.size <= 0 and laid.grow:
        problems.add(
            "disk.no-room", f"no room is left for {name}", end, fix="raise the disk's maxSize"
        )
    elif laid.size <= 0:
        problems.add(
            "disk.empty-partition",
            f"{name} ends before it starts",
            end,
            fix="give it an end after its start",
        )
    else:
        _check_room(laid, name, size, end, problems)


def _check_room(
    laid: PartitionLayout, name: str, disk_size: int, path: str, problems: Problems
) -> None:
    room = disk_size - gpt.TAIL_SECTORS * gpt.SECTOR
    end = laid.start + laid.size
    if end > room:
        problems.add(
            "disk.too-small",
            f"{name} ends at {shown(end)}, but the disk of {shown(disk_size)} has room up to "
            f"{shown(room // MIB * MIB)}",
            path,
            why="the last 33 sectors hold the second copy of the partition table",
            fix=f"raise maxSize to {shown(end + MIB)}, or use `size: grow`",
        )
    kind = laid.filesystem.type if laid.filesystem else None
    if kind is not None and laid.size < _LEAST.get(kind, 0):
        problems.add(
            "disk.filesystem-too-small",
            f"{name} has {shown(laid.size)}; {kind} needs at least {shown(_LEAST[kind])}",
            path,
            fix="make the partition larger",
        )


def _with_attributes(laid: PartitionLayout) -> PartitionLayout:
    if laid.type_guid not in DISCOVERABLE or laid.filesystem is None:
        return laid
    read_only = laid.verity is not None or any(
        "ro" in mount.options.split(",") for mount, _ in laid.filesystem.mounts
    )
    attributes = READ_ONLY if read_only else GROW_FILE_SYSTEM if laid.grow else 0
    return replace(laid, attributes=attributes)


def _check_count(partitions: list[PartitionLayout], problems: Problems) -> None:
    if len(partitions) > gpt.ENTRIES:
        problems.add(
            "disk.too-many-partitions",
            f"the disk has {len(partitions)} partitions; the table holds {gpt.ENTRIES}",
            "storage.disks[0].partitions",
        )


def shown(size: int) -> str:
    """A size for a person, in the unit that the image file would use: 512M, 4G."""
    for unit, factor in (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size} bytes"
