"""Steps that write file systems, the disk, and the format that is asked for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind, subtree
from dockyard.disk import esp
from dockyard.disk.assemble import assemble
from dockyard.disk.layout import DiskLayout, PartitionLayout
from dockyard.engine.plan import Step, Work
from dockyard.errors import DockyardError, Position
from dockyard.filesystems import FilesystemSpec, kernels
from dockyard.filesystems import by_name as filesystem_by_name
from dockyard.formats import by_name as format_by_name
from dockyard.pipeline.layers import merged_archive, merged_tree
from dockyard.pipeline.toolbox import Toolbox

FILESYSTEM = "filesystem"
DISK = "disk.raw"
ESP_MOUNT = "/boot/efi"


def filesystem_step(
    partition: PartitionLayout,
    layout: DiskLayout,
    below: tuple[Step, ...],
    uki: Step | None,
    toolbox: Toolbox,
    epoch: int,
    position: Position | None,
    architecture: str,
) -> Step:
    """The step that writes the file system of one partition.

    uki: for the EFI system partition, what it is to boot.
    """
    system = partition.filesystem
    assert system is not None
    module = filesystem_by_name(system.type)
    spec = FilesystemSpec(
        uuid=system.uuid,
        label=partition.label[:11].upper() if uki else partition.label[:12],
        epoch=epoch,
        hash_seed=system.hash_seed,
        options=dict(system.options),
    )
    mount = system.mount.path if system.mount else None

    def work(work: Work) -> None:
        whole = merged_archive(work, below, epoch)
        content = _content(whole, mount, layout, epoch)
        trees = toolbox.trees
        if uki is not None:
            content = _bootable(content, work, uki, below, toolbox, epoch, architecture)
        refused = module.refuse(content)
        if refused:
            raise DockyardError(*refused)
        work.progress(f"{len(content)} files")
        tools = trees.testing if module.needs == "testing" else trees.main
        made = dataclasses.replace(spec, kernel=_oldest_kernel(whole))
        try:
            module.write(content, work.out / FILESYSTEM, partition.size, made, tools)
        except DockyardError as error:
            raise DockyardError(
                *(
                    dataclasses.replace(problem, where=position)
                    if problem.code == "filesystems.too-small" and position
                    else problem
                    for problem in error.problems
                )
            ) from error

    identity = {
        "type": system.type.value,
        "size": partition.size,
        "uuid": str(system.uuid),
        "label": spec.label,
        "options": dict(spec.options),
        "mount": mount,
        "others": [path for path in _mounts(layout) if path != mount],
        "epoch": epoch,
    }
    inputs = (toolbox.step, *([uki] if uki else []), *below)
    title = f"Write {system.type.value} for {mount or partition.key}, {partition.size >> 20} MiB"
    return Step(f"filesystem-{partition.key}", title, identity, inputs, work)


def _mounts(layout: DiskLayout) -> list[str]:
    return sorted(
        mount.path
        for partition in layout.partitions
        if partition.filesystem is not None
        for mount, _ in partition.filesystem.mounts
    )


def _oldest_kernel(whole: Archive) -> str | None:
    """The release of the oldest kernel of an image, which all its file systems are made for."""
    found = (entry.name.decode() for entry in whole if entry.parent == b"usr/lib/modules")
    return min(found, key=kernels.version, default=None)


def _content(whole: Archive, mount: str | None, layout: DiskLayout, epoch: int) -> Archive:
    """What goes into the file system that is mounted at a path; nothing without one."""
    if mount is None:
        return Archive([Entry(b"", Kind.DIRECTORY, 0o755, mtime_ns=epoch * 10**9)])
    at = os.fsencode(mount.strip("/"))
    inside = [os.fsencode(path.strip("/")) for path in _mounts(layout) if path != mount]
    prefix = at + b"/" if at else b""
    others = [path for path in inside if path.startswith(prefix)]
    return subtree(whole, at, others)


def _bootable(
    content: Archive,
    work: Work,
    uki: Step,
    below: tuple[Step, ...],
    toolbox: Toolbox,
    epoch: int,
    architecture: str,
) -> Archive:
    """The content of an EFI system partition: what the tree has there, the loader and the UKI."""
    made = sorted(path for path in work.result(uki).iterdir() if path.suffix == ".efi")
    with merged_tree(work, below) as tree:
        found = esp.esp_content(
            tree, toolbox.trees.main, {path.name: path for path in made}, architecture
        )
    data: dict[bytes, bytes | Path] = {os.fsencode(path): item for path, item in found.items()}
    entries = [Entry(path, Kind.FILE, 0o755, mtime_ns=epoch * 10**9) for path in data]
    for entry in content:
        if entry.kind is Kind.DIRECTORY:
            entries.append(entry)
        elif entry.path not in data:
            entries.append(entry)
            data[entry.path] = content.read(entry.path)
    return Archive.from_entries(entries, data)


def disk_step(layout: DiskLayout, parts: Sequence[tuple[str, Step]]) -> Step:
    """The step that writes the partition table and puts the file systems in their places."""

    def work(work: Work) -> None:
        images = {key: work.result(step) / FILESYSTEM for key, step in parts}
        assemble(layout, images, work.out / DISK)

    identity = {
        "size": layout.size,
        "guid": str(layout.guid),
        "partitions": [
            {
                "number": item.number,
                "label": item.label,
                "start": item.start,
                "size": item.size,
                "type": str(item.type_guid),
                "guid": str(item.guid),
                "attributes": item.attributes,
            }
            for item in layout.partitions
        ],
        "parts": [key for key, _ in parts],
    }
    title = f"Assemble the disk, {layout.size >> 20} MiB"
    return Step("disk", title, identity, tuple(step for _, step in parts), work)


def format_step(format_name: str, disk: Step, toolbox: Toolbox, seed: bytes, epoch: int) -> Step:
    """The step that turns the raw disk into another format; its result is `image` + extension."""
    module = format_by_name(format_name)

    def work(work: Work) -> None:
        out = work.out / f"image{module.extension}"
        tools = toolbox.trees.main
        module.write(work.result(disk) / DISK, out, tools, seed=seed, epoch=epoch)

    identity = {"format": format_name, "seed": seed.hex(), "epoch": epoch}
    return Step("format", f"Convert to {format_name}", identity, (toolbox.step, disk), work)
