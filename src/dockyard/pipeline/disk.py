"""Steps that write file systems, the disk, and the format that is asked for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind, subtree
from dockyard.disk import esp
from dockyard.disk.assemble import assemble
from dockyard.disk.layout import FAT_TYPES, DiskLayout, FileSystemLayout, PartitionLayout
from dockyard.engine.plan import Step, Work
from dockyard.errors import DockyardError, Position
from dockyard.filesystems import FilesystemSpec, kernels, swap
from dockyard.filesystems import by_name as filesystem_by_name
from dockyard.filesystems.proof import prove
from dockyard.formats import by_name as format_by_name
from dockyard.host import removal
from dockyard.host.sandbox import Tools
from dockyard.model.storage import FileSystemType
from dockyard.pipeline.layers import merged_archive, merged_tree
from dockyard.pipeline.toolbox import Toolbox

FILESYSTEM = "filesystem"
DISK = "disk.raw"
ESP_MOUNT = "/boot/efi"


@dataclass(frozen=True)
class PartitionContent:
    """What goes into the file system of one partition.

    below: the packages step and the layers that shape it. uki: for the EFI system partition, the
    step that makes what it boots.
    """

    partition: PartitionLayout
    layout: DiskLayout
    below: tuple[Step, ...]
    uki: Step | None
    toolbox: Toolbox
    epoch: int
    architecture: str

    @property
    def filesystem(self) -> FileSystemLayout:
        assert self.partition.filesystem is not None
        return self.partition.filesystem

    @property
    def mount(self) -> str | None:
        """Where it is mounted."""
        return self.filesystem.mount.path if self.filesystem.mount else None

    @property
    def inputs(self) -> tuple[Step, ...]:
        """The steps whose results are read to know it."""
        return (self.toolbox.step, *([self.uki] if self.uki else []), *self.below)

    @property
    def others(self) -> list[str]:
        """Where the other file systems are mounted."""
        return [path for path in _mounts(self.layout) if path != self.mount]

    def whole(self, work: Work) -> Archive:
        """The archive of the root tree."""
        return merged_archive(work, self.below, self.epoch)

    def part(self, whole: Archive, work: Work) -> Archive:
        """What of the root tree, and what else, is in this file system; nothing without a place
        where it is mounted.
        """
        if self.mount is None:
            return Archive([Entry(b"", Kind.DIRECTORY, 0o755, mtime_ns=self.epoch * 10**9)])
        at = os.fsencode(self.mount.strip("/"))
        prefix = at + b"/" if at else b""
        inside = [os.fsencode(path.strip("/")) for path in self.others]
        content = subtree(whole, at, [path for path in inside if path.startswith(prefix)])
        return self._bootable(content, self.uki, work) if self.uki else content

    def tools(self) -> Tools:
        """The tools that write and read it."""
        trees = self.toolbox.trees
        newer = filesystem_by_name(self.filesystem.type).needs == "testing"
        return trees.testing if newer else trees.main

    def _bootable(self, content: Archive, uki: Step, work: Work) -> Archive:
        """The content of an EFI system partition: what the tree has there, the loader, the UKI."""
        made = sorted(path for path in work.result(uki).iterdir() if path.suffix == ".efi")
        tools = self.toolbox.trees.main
        with merged_tree(work, self.below) as tree:
            found = esp.esp_content(
                tree, tools, {path.name: path for path in made}, self.architecture
            )
        data: dict[bytes, bytes | Path] = {os.fsencode(path): item for path, item in found.items()}
        time = self.epoch * 10**9
        entries = [Entry(path, Kind.FILE, 0o755, mtime_ns=time) for path in data]
        for entry in content:
            if entry.kind is Kind.DIRECTORY:
                entries.append(entry)
            elif entry.path not in data:
                entries.append(entry)
                data[entry.path] = content.read(entry.path)
        return Archive.from_entries(entries, data)


# What a name of a FAT file system cannot have (mkfs.fat(8)).
_NOT_IN_FAT = str.maketrans(dict.fromkeys('*?.,;:/\\|+=<>[]"', "_"))
_LONGEST_FAT, _LONGEST = 11, 12  # FAT's; what all others hold, xfs the least


def _label(label: str, kind: FileSystemType) -> str:
    """The name of a file system: as much of the partition's as it can hold."""
    if kind in FAT_TYPES:
        return label.translate(_NOT_IN_FAT).strip()[:_LONGEST_FAT].upper()
    return label[:_LONGEST]


def filesystem_step(content: PartitionContent, position: Position | None) -> Step:
    """The step that writes the file system of one partition."""
    system, partition = content.filesystem, content.partition
    module = filesystem_by_name(system.type)
    spec = FilesystemSpec(
        uuid=system.uuid,
        label=_label(partition.label, system.type),
        epoch=content.epoch,
        hash_seed=system.hash_seed,
        options=dict(system.options),
    )

    def work(work: Work) -> None:
        whole = content.whole(work)
        archive = content.part(whole, work)
        refused = module.refuse(archive)
        if refused:
            raise DockyardError(*refused)
        work.progress(f"{len(archive)} files")
        made = dataclasses.replace(spec, kernel=_oldest_kernel(whole))
        try:
            module.write(archive, work.out / FILESYSTEM, partition.size, made, content.tools())
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
        "mount": content.mount,
        "others": content.others,
        "epoch": content.epoch,
    }
    title = (
        f"Write {system.type.value} for {content.mount or partition.key}, "
        f"{partition.size >> 20} MiB"
    )
    return Step(f"filesystem-{partition.key}", title, identity, content.inputs, work)


def proof_step(content: PartitionContent, written: Step) -> Step:
    """The step that reads a file system back and compares it with what was to go into it."""
    kind = content.filesystem.type.value

    def work(work: Work) -> None:
        archive = content.part(content.whole(work), work)
        scratch = work.out / "scratch"
        scratch.mkdir()
        prove(kind, archive, work.result(written) / FILESYSTEM, content.tools(), scratch)
        removal.remove_tree(scratch)

    key = content.partition.key
    title = f"Read {kind} for {content.mount or key} back"
    return Step(f"proof-{key}", title, {"type": kind}, (written, *content.inputs), work)


def swap_step(partition: PartitionLayout, toolbox: Toolbox) -> Step:
    """The step that makes the swap space of one partition."""
    uuid, label = partition.swap, partition.label[:15]
    assert uuid is not None

    def work(work: Work) -> None:
        swap.write(work.out / FILESYSTEM, partition.size, uuid, label, toolbox.trees.main)

    identity = {"uuid": str(uuid), "label": label, "size": partition.size}
    title = f"Make swap space for {partition.key}, {partition.size >> 20} MiB"
    return Step(f"swap-{partition.key}", title, identity, (toolbox.step,), work)


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
