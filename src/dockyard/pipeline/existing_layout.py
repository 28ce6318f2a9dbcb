"""The disk of an image that exists, as the layout of what is made of it."""

from __future__ import annotations

from uuid import UUID

from dockyard.disk.partitions import DiskLayout, FileSystemLayout, PartitionLayout
from dockyard.model.filesystems import FileSystemType, MountPoint
from dockyard.pipeline.existing import DiskSource, ExistingPartition


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
        mount=MountPoint(path=found.mount),
        label=found.name,
    )


def _uuid(found: ExistingPartition) -> UUID:
    """The UUID that gives a file system the id that it had: FAT has eight digits of one."""
    if found.module == "vfat":
        return UUID(hex=found.uuid.replace("-", "").ljust(32, "0"))
    return UUID(found.uuid)
