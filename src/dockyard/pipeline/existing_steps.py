"""The steps that take an image that exists apart, and keep what is not written anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from dockyard.disk.grub import boot_partition
from dockyard.disk.partition_types import BIOS_GRUB
from dockyard.disk.partitions import DiskLayout, FileSystemLayout, PartitionLayout
from dockyard.engine.step import Step
from dockyard.pipeline.arguments.existing import (
    ExistingDisk,
    KeepPartition,
    KeepSealed,
    MountedPart,
    TakeRoot,
)
from dockyard.pipeline.arguments.image import Original
from dockyard.pipeline.arguments.names import DISK
from dockyard.pipeline.converted import convert_step
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
from dockyard.pipeline.filesystem_steps import Held
from dockyard.pipeline.layer_steps import Stack
from dockyard.pipeline.request import ImageRequest

_EXISTING = "dockyard.pipeline.steps.existing"


def disk_of(source: DiskSource) -> ExistingDisk:
    """How steps find the raw disk."""
    made = () if source.container.is_raw else (DISK,)
    return ExistingDisk(source.digest, source.size, str(source.image), source.stamp, *made)


def root_step(source: DiskSource, tools: Step) -> tuple[Step, Step | None]:
    """The step that takes the root out of a disk, and the one that makes the raw disk before it,
    where the image is none.
    """
    disk = disk_of(source)
    convert = convert_step(source.image, source.digest, source.stamp, source.container, tools)
    parts = tuple(
        MountedPart(each.start, each.size, each.module, mount, subvolume)
        for each in source.partitions
        for mount, subvolume in each.places
    )
    root = Step.of(
        "input",
        f"Take the root out of {source.image.name}",
        f"{_EXISTING}:take_root",
        TakeRoot(disk, parts, source.kernel),
        (tools, *((convert,) if convert else ())),
        modules=tuple(f"dockyard.filesystems.{part.module}" for part in parts),
    )
    return root, convert


def kept_steps(
    request: ImageRequest, source: DiskSource, convert: Step | None, stack: Stack
) -> Mapping[str, Step]:
    """The steps that keep partitions as they are, whatever they hold, by the key of each. stack:
    the root, in which what is kept of that must be as it was.
    """
    held = {partition.number: partition for partition in source.partitions}
    return {
        laid.key: _kept_sealed(source, held[laid.number], convert, stack)
        if laid.verity
        else _kept(source, held[laid.number], convert, laid.swap)
        for laid in request.layout.partitions
        if laid.kept
    }


def _kept_sealed(
    source: DiskSource, partition: ExistingPartition, convert: Step | None, stack: Stack
) -> Step:
    wanted = KeepSealed(
        kept=KeepPartition(disk_of(source), partition.start, partition.size),
        mount=partition.mount,
        others=tuple(sorted(path for path in source.mounts if path != partition.mount)),
        root=stack.root.name,
        below=stack.names,
    )
    return Step.of(
        "keep",
        f"Keep {partition.mount} as it is, {partition.size >> 20} MiB",
        f"{_EXISTING}:keep_sealed",
        wanted,
        (stack.layers[0], stack.root, *((convert,) if convert else ())),
        borrowed=stack.layers[1:],
        name=f"keep-{partition.number}",
    )


def held_by(
    source: DiskSource, convert: Step | None, stack: Stack, layout: DiskLayout
) -> Callable[[PartitionLayout], Held]:
    """What goes into the file system of each partition that is written anew. stack: the root."""
    disk = disk_of(source)
    kind = source.boot.boot_kind
    # GRUB of a disk for a BIOS reads whatever the image booted by before.
    by_bios = any(each.type_guid == BIOS_GRUB for each in layout.partitions)
    read = boot_partition(layout) if by_bios or (kind and kind.by_grub) else None
    places = {str(each.number): (each.start, each.size) for each in source.partitions}

    def held(laid: PartitionLayout) -> Held:
        if laid.filesystem is None or not _has_outermost(laid.filesystem):
            return Held(stack, grub=laid == read)
        original = Original(disk, *places[laid.key])
        return Held(stack, grub=laid == read, original=original, disk=convert)

    return held


def _has_outermost(system: FileSystemLayout) -> bool:
    """Whether all subvolumes of a file system are known, as they are of one that exists."""
    return any(not one.path for one in system.subvolumes)


def _kept(
    source: DiskSource, partition: ExistingPartition, convert: Step | None, swap: UUID | None
) -> Step:
    wanted = KeepPartition(disk_of(source), partition.start, partition.size, swap)
    return Step.of(
        "keep",
        f"Keep partition {partition.number} as it is, {partition.size >> 20} MiB",
        f"{_EXISTING}:keep_partition",
        wanted,
        (convert,) if convert else (),
        name=f"keep-{partition.number}",
    )
