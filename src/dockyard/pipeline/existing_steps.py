"""The steps that take an image that exists apart, and write its partitions anew."""

from __future__ import annotations

from uuid import UUID

from dockyard.engine.step import Step
from dockyard.model.filesystems import FileSystemType
from dockyard.pipeline.arguments.existing import (
    ConvertDisk,
    ExistingDisk,
    KeepPartition,
    MountedPart,
    TakeRoot,
)
from dockyard.pipeline.arguments.image import WriteFilesystem
from dockyard.pipeline.arguments.names import DISK
from dockyard.pipeline.existing import DiskSource, ExistingPartition
from dockyard.pipeline.filesystem_steps import FileSystemSteps, filesystem_step
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
    convert = None
    if disk.made:
        convert = Step.of(
            DISK,
            f"Convert {source.image.name} from {source.container}",
            f"{_EXISTING}:convert_disk",
            ConvertDisk(source.digest, str(source.image), source.stamp),
            (tools,),
        )
    parts = tuple(
        MountedPart(each.start, each.size, each.module, each.mount)
        for each in source.partitions
        if each.mount
    )
    root = Step.of(
        "input",
        f"Take the root out of {source.image.name}",
        f"{_EXISTING}:take_root",
        TakeRoot(disk, parts),
        (tools, *((convert,) if convert else ())),
        modules=tuple(f"dockyard.filesystems.{part.module}" for part in parts),
    )
    return root, convert


def existing_systems(
    request: ImageRequest, source: DiskSource, whole: Stack, convert: Step | None, tools: Step
) -> FileSystemSteps:
    """The steps of all partitions: file systems that are mounted are written anew with the ids that
    they had; what is not mounted is kept as it is.
    """
    steps: dict[str, Step] = {}
    proofs: list[Step] = []
    fat: list[tuple[WriteFilesystem, Stack]] = []
    for partition in source.partitions:
        key = str(partition.number)
        if not partition.mount:
            steps[key] = _kept(source, partition, convert)
            continue
        wanted = _written(request, source, partition, whole)
        steps[key], proof = filesystem_step(wanted, whole, tools, None)
        proofs.append(proof)
        if partition.module == "vfat":
            fat.append((wanted, whole))
    return FileSystemSteps(steps, tuple(proofs), tuple(fat))


def _kept(source: DiskSource, partition: ExistingPartition, convert: Step | None) -> Step:
    wanted = KeepPartition(disk_of(source), partition.start, partition.size)
    return Step.of(
        "keep",
        f"Keep partition {partition.number} as it is, {partition.size >> 20} MiB",
        f"{_EXISTING}:keep_partition",
        wanted,
        (convert,) if convert else (),
        name=f"keep-{partition.number}",
    )


def _written(
    request: ImageRequest, source: DiskSource, partition: ExistingPartition, whole: Stack
) -> WriteFilesystem:
    others = tuple(sorted(path for path in source.mounts if path != partition.mount))
    return WriteFilesystem(
        key=str(partition.number),
        type=FileSystemType(partition.module),
        size=partition.size,
        uuid=_uuid(partition),
        label=partition.name,
        hash_seed=None,
        options={},
        mount=partition.mount,
        others=others,
        loader=request.family.loader,
        architecture=request.architecture,
        epoch=request.epoch,
        root=whole.root.name,
        below=whole.names,
    )


def _uuid(partition: ExistingPartition) -> UUID:
    """The UUID that gives a file system the id that it had: FAT has eight digits of one."""
    if partition.module == "vfat":
        return UUID(hex=partition.uuid.replace("-", "").ljust(32, "0"))
    return UUID(partition.uuid)
