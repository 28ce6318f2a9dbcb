"""The steps that write the file systems and swap spaces of an image, and read them back."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dockyard.archive import Entry
from dockyard.disk.layout import PartitionLayout
from dockyard.engine.step import Step
from dockyard.filesystems import BLOCK_SIZES
from dockyard.pipeline.arguments.image import (
    MakeSwap,
    Original,
    ProveFilesystem,
    WriteFilesystem,
)
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.layer_steps import Stack
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.subvolumes import placed_subvolumes, places_of

_FILESYSTEM = "dockyard.pipeline.steps.filesystem"


@dataclass(frozen=True)
class FileSystemSteps:
    """steps: of file systems and swap spaces by the key of their partition. proofs: those that read
    each file system back. fat: file systems without owners and modes, each with what it is made of.
    """

    steps: Mapping[str, Step]
    proofs: tuple[Step, ...]
    fat: tuple[tuple[WriteFilesystem, Stack], ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What goes into a file system: of which root tree, and the step that makes what it boots, for
    an EFI system partition that is made anew. grub: whether GRUB is to read it. original: the file
    system of an image that exists that it was. disk: the step that makes the raw disk of that,
    where there is one.
    """

    stack: Stack
    uki: Step | None = None
    grub: bool = False
    original: Original | None = None
    disk: Step | None = None


def filesystem_steps(
    request: ImageRequest,
    held: Callable[[PartitionLayout], Held],
    tools: Step,
    partitions: Iterable[PartitionLayout],
) -> FileSystemSteps:
    """The steps of partitions. held: what goes into the file system of each."""
    steps: dict[str, Step] = {}
    proofs: list[Step] = []
    fat: list[tuple[WriteFilesystem, Stack]] = []
    for partition in partitions:
        if partition.swap and not partition.kept:
            steps[partition.key] = _swap(partition, tools)
        if partition.filesystem is None or partition.kept:
            continue
        content = held(partition)
        wanted = _filesystem(request, partition, content)
        steps[partition.key], proof = filesystem_step(wanted, content, tools)
        proofs.append(proof)
        if partition.filesystem.type.is_fat and wanted.mount:
            fat.append((wanted, content.stack))
    return FileSystemSteps(steps, tuple(proofs), tuple(fat))


def boots(partition: PartitionLayout, esp: str) -> bool:
    """Whether a partition is the EFI system partition. esp: where that is mounted."""
    system = partition.filesystem
    return system is not None and any(mount.path == esp for mount, _ in system.mounts)


def _filesystem(
    request: ImageRequest, partition: PartitionLayout, content: Held
) -> WriteFilesystem:
    system = partition.filesystem
    assert system is not None
    mount = system.mount.path if system.mount else None
    everywhere = sorted(
        path
        for item in request.layout.partitions
        if item.filesystem is not None
        for path in places_of(item.filesystem)
    )
    subvolumes = placed_subvolumes(system)
    return WriteFilesystem(
        key=partition.key,
        type=system.type,
        size=partition.content_size,
        uuid=system.uuid,
        label=partition.content_label,
        hash_seed=system.hash_seed,
        options=_options(partition),
        mount=mount,
        others=tuple(path for path in everywhere if path != mount),
        loader=request.family.loader,
        architecture=request.architecture,
        epoch=request.epoch,
        root=content.stack.root.name,
        below=content.stack.names,
        uki=content.uki.name if content.uki else None,
        grub=content.grub,
        subvolumes=subvolumes,
        original=content.original if subvolumes else None,
        beneath=tuple(_beneath(request, partition, everywhere)),
        position=request.partition_position(partition.number),
    )


def _beneath(
    request: ImageRequest, partition: PartitionLayout, mounts: Collection[str]
) -> Iterator[Entry]:
    """The directories below what is mounted in a file system, as the image had them. A subvolume
    has its own.
    """
    system = partition.filesystem
    if not isinstance(request.source, DiskSource) or system is None or system.mount is None:
        return
    prefix = f"{system.mount.path.rstrip('/')}/"
    for entry in () if system.type.is_fat else request.source.storage.beneath:
        path = f"/{os.fsdecode(entry.path)}"
        if path in mounts and path.startswith(prefix) and path != system.mount.path:
            yield entry


def _options(partition: PartitionLayout) -> dict[str, str]:
    """How a file system is made; what dm-verity checks has its blocks."""
    assert partition.filesystem is not None
    options = dict(partition.filesystem.options)
    left_out = BLOCK_SIZES if partition.verity else ()
    return {name: value for name, value in options.items() if name not in left_out}


def filesystem_step(wanted: WriteFilesystem, content: Held, tools: Step) -> tuple[Step, Step]:
    """The step that writes a file system, and the one that proves it."""
    stack = content.stack
    others = (content.uki, content.disk if wanted.original else None)
    title = f"Write {wanted.type} for {_called(wanted)}, {wanted.size >> 20} MiB"
    written = Step.of(
        "filesystem",
        title,
        f"{_FILESYSTEM}:write_filesystem",
        wanted,
        (tools, stack.root, *(step for step in others if step)),
        borrowed=stack.layers,
        name=f"filesystem-{wanted.key}",
        modules=(f"dockyard.filesystems.{wanted.type.kernel_name}",),
    )
    return written, _proof(wanted, written)


def _called(wanted: WriteFilesystem) -> str:
    """What a file system is for."""
    places = [one.mount for one in wanted.subvolumes if one.mount]
    return wanted.mount or ", ".join(sorted(places)) or wanted.key


def _proof(wanted: WriteFilesystem, written: Step) -> Step:
    """The step that reads a file system back that was written, and compares it."""
    title = f"Read {wanted.type} for {_called(wanted)} back"
    return Step.of(
        "proof",
        title,
        f"{_FILESYSTEM}:prove_filesystem",
        ProveFilesystem(wanted, written.name),
        (written, *written.inputs),
        borrowed=written.borrowed,
        name=f"proof-{wanted.key}",
        modules=written.modules,
    )


def _swap(partition: PartitionLayout, tools: Step) -> Step:
    """The step that makes a swap space."""
    assert partition.swap is not None
    wanted = MakeSwap(partition.swap, partition.content_label, partition.size)
    title = f"Make swap space for {partition.key}, {partition.size >> 20} MiB"
    function = f"{_FILESYSTEM}:make_swap"
    return Step.of("swap", title, function, wanted, (tools,), name=f"swap-{partition.key}")
