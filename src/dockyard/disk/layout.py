"""Turns the `storage` of an image file into a disk: where each partition is, its ids and types.

Partitions start at whole mebibytes. A disk without a size of its own ends one mebibyte after its
last partition, which is room for the second copy of the table. All ids come from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Unpack
from uuid import UUID

from dockyard.disk import gpt
from dockyard.disk.identity import derive
from dockyard.disk.partition_types import DISCOVERABLE, GROW_FILE_SYSTEM, READ_ONLY, SWAP, type_guid
from dockyard.disk.partitions import (
    NO_DISK,
    DiskLayout,
    FileSystemLayout,
    PartitionLayout,
    SubvolumeLayout,
    VerityLayout,
)
from dockyard.disk.verity import tree_size
from dockyard.errors import Details, Position, Problems
from dockyard.model.architecture import Architecture
from dockyard.model.base import MIB
from dockyard.model.storage import (
    Disk,
    Erofs,
    ErofsCompression,
    FileSystem,
    FileSystemType,
    Partition,
    PartitionType,
    Storage,
    Verity,
)

__all__ = [
    "NO_DISK",
    "DiskLayout",
    "FileSystemLayout",
    "PartitionLayout",
    "VerityLayout",
    "lay_out",
    "size_text",
    "verity_layout",
]

# A file system of a kind is never smaller than this; its own tool would refuse with less to read.
_LEAST: Mapping[FileSystemType, int] = {
    FileSystemType.BTRFS: 109 * MIB,
    FileSystemType.XFS: 300 * MIB,
    FileSystemType.FAT32: 33 * MIB,
}
_FIRST_SUBVOLUME = 256  # as the kernel numbers them
_LEVELS: Mapping[ErofsCompression, int] = {
    ErofsCompression.LZ4HC: 9,
    ErofsCompression.LZMA: 6,
    ErofsCompression.ZSTD: 3,
}


def lay_out(
    storage: Storage,
    seed: bytes,
    architecture: Architecture = Architecture.X86_64,
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
    verity = {item.data_device_id: verity_layout(item, seed) for item in storage.verity}
    size = _disk_size(disk, problems)
    partitions: list[PartitionLayout] = []
    at = MIB
    for index, item in enumerate(disk.partitions):
        start = at if item.start is None else item.start
        end = _end(item, start, size)
        device = verity.get(item.id)
        laid = PartitionLayout(
            number=index + 1,
            id=item.id,
            label=item.label,
            start=start,
            size=end - start,
            type_guid=_type(item, architecture, index, problems),
            guid=derive(seed, "partition", item.id or str(index + 1)),
            grow=item.grows,
            filesystem=filesystems.get(device.id if device else item.id),
            verity=device,
        )
        if laid.type_guid == SWAP and laid.filesystem is None:
            laid = replace(laid, swap=derive(seed, "swap", laid.key))
        _check(laid, item, at, size, f"storage.disks[0].partitions[{index}]", problems)
        partitions.append(_with_attributes(laid))
        at = max(at, end)
    _check_count(partitions, problems)
    layout = DiskLayout(size, derive(seed, "disk"), tuple(partitions))
    _check_verity(layout, storage, problems)
    problems.raise_any()
    return layout


def verity_layout(item: Verity, seed: bytes, hashes: str = "") -> VerityLayout:
    """A verity device of an image file. hashes: the key of the partition with the tree, where the
    file names it by other means than its id.
    """
    salt = [derive(seed, "verity-salt", item.id, half).bytes for half in ("first", "second")]
    return VerityLayout(
        id=item.id,
        name=item.name,
        hashes=hashes or item.hash_device_id,
        inline=item.inline,
        uuid=derive(seed, "verity", item.id),
        salt=b"".join(salt),
        corruption=item.corruption_option,
        data_by=item.data_device_mount_id_type,
        hashes_by=item.hash_device_mount_id_type,
        signature=item.hash_signature_path,
    )


def _type(item: Partition, architecture: Architecture, index: int, problems: Problems) -> UUID:
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
        **details: Unpack[Details],
    ) -> None:
        if isinstance(where, str):
            path = where
            # A value that is not written stands where its nearest mapping does.
            while path and path not in self._positions:
                path = path[: max(path.rfind("."), path.rfind("["), 0)]
            where = self._positions.get(path, where)
        super().add(code, what, where, **details)


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
        tuple(_subvolumes(item, seed)),
        _options(item, kind),
    )


def _subvolumes(item: FileSystem, seed: bytes) -> Iterator[SubvolumeLayout]:
    for index, one in enumerate(item.btrfs.subvolumes if item.btrfs else ()):
        yield SubvolumeLayout(
            number=_FIRST_SUBVOLUME + index,
            path=one.path,
            uuid=derive(seed, "subvolume", item.device_id, one.path),
            mount=one.mount_point,
            most=one.quota.referenced_limit if one.quota else None,
            most_own=one.quota.exclusive_limit if one.quota else None,
        )


def _options(item: FileSystem, kind: FileSystemType) -> tuple[tuple[str, str], ...]:
    if kind is FileSystemType.FAT32:
        return (("fat_bits", "32"),)
    if kind is FileSystemType.EROFS:
        chosen = item.erofs or Erofs()
        level = chosen.level if chosen.level is not None else _LEVELS.get(chosen.compression)
        name = chosen.compression.value
        return (("compression", name if level is None else f"{name},level={level}"),)
    return ()


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
            f"{name} starts at {size_text(laid.start)}, before {size_text(free)} is free",
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
            f"{name} ends at {size_text(end)}, but the disk of {size_text(disk_size)} has room up "
            f"to {size_text(room // MIB * MIB)}",
            path,
            why="the last 33 sectors hold the second copy of the partition table",
            fix=f"raise maxSize to {size_text(end + MIB)}, or use `size: grow`",
        )
    kind = laid.filesystem.type if laid.filesystem else None
    if kind is not None and laid.size < _LEAST.get(kind, 0):
        problems.add(
            "disk.filesystem-too-small",
            f"{name} has {size_text(laid.size)}; {kind} needs at least {size_text(_LEAST[kind])}",
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


def _check_verity(layout: DiskLayout, storage: Storage, problems: Problems) -> None:
    sizes = {each.key: each.size for each in layout.partitions}
    for index, item in enumerate(storage.verity):
        size, room = sizes.get(item.data_device_id), sizes.get(item.hash_device_id)
        if item.inline or size is None or room is None or tree_size(size) <= room:
            continue
        needed = -(-tree_size(size) // MIB) * MIB
        problems.add(
            "disk.hash-too-small",
            f"the hash tree of {item.data_device_id} needs {size_text(needed)}, but the partition "
            f"{item.hash_device_id} has {size_text(room)}",
            f"storage.verity[{index}].hashDeviceId",
            fix=f"make the partition {item.hash_device_id} larger",
        )


def size_text(size: int) -> str:
    """A size for a person, in the unit that the image file would use: 512M, 4G."""
    for unit, factor in (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size} bytes"
