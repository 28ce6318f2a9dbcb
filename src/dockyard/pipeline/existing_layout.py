"""The disk of an image that exists, as the layout of what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid5

from dockyard.disk.partitions import (
    RECEIVED_ID,
    DiskLayout,
    FileSystemLayout,
    PartitionLayout,
    SubvolumeLayout,
)
from dockyard.errors import Problem, Severity
from dockyard.filesystems import BLOCK_SIZES
from dockyard.model.filesystems import FileSystemType, MountPoint
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition, ExistingSubvolume


def layout_of(source: DiskSource) -> DiskLayout:
    """The disk as it is: the same partitions at the same places with the same ids. File systems
    that are mounted keep their ids and are written anew; all else is kept as it is.
    """
    return DiskLayout(
        size=source.size,
        guid=UUID(source.table),
        partitions=tuple(_partition(each) for each in source.partitions),
        boot_code=bytes.fromhex(source.boot_code),
    )


def made_otherwise(source: DiskSource, layout: DiskLayout) -> Iterator[Problem]:
    """A note for each file system that is written anew, and not quite as it was."""
    laid = {each.number: each for each in layout.partitions}
    for each in source.partitions:
        otherwise = [*each.otherwise]
        if laid[each.number].verity and {*BLOCK_SIZES} & {*each.options}:
            otherwise.append("blocks of 4096 bytes, as dm-verity has them")
        if otherwise and not laid[each.number].kept:
            called = " ".join(part for part in (str(each.number), each.label) if part)
            yield Problem(
                "image.made-otherwise",
                f"the {each.holds or each.module} of partition {called} is written with "
                f"{'; '.join(otherwise)}",
                str(source.image),
                why="that is how file systems are written here; its files are the same",
                severity=Severity.NOTE,
            )


def _partition(found: ExistingPartition) -> PartitionLayout:
    return PartitionLayout(
        number=found.number,
        id="",
        label=found.label,
        start=found.start,
        size=found.size,
        type_guid=UUID(found.type_guid),
        guid=UUID(found.guid),
        attributes=found.attributes,
        filesystem=_filesystem(found) if found.mount else None,
        kept=not found.mount,
    )


def _filesystem(found: ExistingPartition) -> FileSystemLayout:
    return FileSystemLayout(
        device=str(found.number),
        type=FileSystemType(found.module),
        uuid=_uuid(found),
        hash_seed=None,
        mount=None if found.subvolumes else MountPoint(path=found.mount),
        subvolumes=tuple(_subvolume(each, found) for each in found.subvolumes),
        options=tuple(sorted(found.options.items())),
        label=found.name,
    )


def _subvolume(one: ExistingSubvolume, found: ExistingPartition) -> SubvolumeLayout:
    """A subvolume as it is; that of an old kernel has no id yet."""
    return SubvolumeLayout(
        number=one.number,
        path=one.path,
        uuid=UUID(one.uuid) if one.uuid else uuid5(UUID(found.uuid), f"subvolume {one.number}"),
        mount=MountPoint(path=one.mount) if one.mount else None,
        read_only=one.read_only,
        is_default=one.is_default,
        most=one.most,
        most_own=one.most_own,
        history=_kept_history(one),
    )


def _kept_history(one: ExistingSubvolume) -> bytes:
    """What is known of where it came from. What is part of the tree may be changed: it is not what
    was received any more (the kernel forgets that, too, when one is made writable).
    """
    history = bytearray.fromhex(one.history)
    if one.mount and history:
        history[RECEIVED_ID] = bytes(16)
    return bytes(history)


def _uuid(found: ExistingPartition) -> UUID:
    """The UUID that gives a file system the id that it had: FAT has eight digits of one."""
    if found.module == "vfat":
        return UUID(hex=found.uuid.replace("-", "").ljust(32, "0"))
    return UUID(found.uuid)
