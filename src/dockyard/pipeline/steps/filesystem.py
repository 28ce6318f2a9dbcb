"""Writes the file systems of a disk's partitions, and reads them back to prove them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import Archive, Entry, Kind, labels, subtree
from dockyard.archive.entry import XATTR_SELINUX
from dockyard.archive.flags import held
from dockyard.disk import esp
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name, kernels, swap
from dockyard.filesystems.proof import prove
from dockyard.host import removal
from dockyard.host.sandbox import Tools
from dockyard.pipeline.arguments.image import MakeSwap, ProveFilesystem, WriteFilesystem
from dockyard.pipeline.arguments.names import FILESYSTEM, TOOLS
from dockyard.pipeline.stack import load_root, merged_tree
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def write_filesystem(work: Work, wanted: WriteFilesystem) -> None:
    """Fills `filesystem`, the image of a partition."""
    whole = load_root(work.result, wanted.root, wanted.below)
    archive = content_of(wanted, whole, work)
    module = by_name(wanted.type)
    refused = module.refuse(archive, _mount_point(wanted))
    if refused:
        raise DockyardError(*refused)
    work.progress(f"{len(archive)} files")
    spec = FilesystemSpec(
        uuid=wanted.uuid,
        label=wanted.label,
        epoch=wanted.epoch,
        hash_seed=wanted.hash_seed,
        options=wanted.options,
        kernel=_oldest_kernel(whole),
        grub=wanted.grub,
        subvolumes=tuple(one.subvolume for one in wanted.subvolumes),
    )
    try:
        module.write(archive, work.out / FILESYSTEM, wanted.size, spec, _tools(work, wanted))
    except DockyardError as error:
        raise DockyardError(
            *(
                dataclasses.replace(problem, where=wanted.position)
                if problem.code == "filesystems.too-small" and wanted.position
                else problem
                for problem in error.problems
            )
        ) from error


def prove_filesystem(work: Work, wanted: ProveFilesystem) -> None:
    """Reads a file system back and compares it with what was to go into it. Fills nothing."""
    system = wanted.filesystem
    archive = content_of(system, load_root(work.result, system.root, system.below), work)
    scratch = work.out / "scratch"
    scratch.mkdir()
    image = work.result(wanted.written) / FILESYSTEM
    chosen = tuple(one.subvolume for one in system.subvolumes)
    prove(system.type, archive, image, _tools(work, system), scratch, chosen)
    removal.remove_tree(scratch)


def make_swap(work: Work, wanted: MakeSwap) -> None:
    """Fills `filesystem` with a swap space."""
    tools = trees_in(work.result(TOOLS)).main
    swap.write(work.out / FILESYSTEM, wanted.size, wanted.uuid, wanted.label, tools)


def content_of(wanted: WriteFilesystem, whole: Archive, work: Work) -> Archive:
    """What of the root, and what else, is in a file system; nothing where it is not mounted."""
    return held(_content_of(wanted, whole, work), by_name(wanted.type).flags)


def _content_of(wanted: WriteFilesystem, whole: Archive, work: Work) -> Archive:
    if wanted.subvolumes:
        from dockyard.pipeline.steps.volume import volume_content

        return volume_content(wanted, whole, work)
    if wanted.mount is None:
        return Archive([Entry(b"", Kind.DIRECTORY, 0o755, mtime_ns=wanted.epoch * 10**9)])
    at = _mount_point(wanted)
    prefix = at + b"/" if at else b""
    inside = [os.fsencode(path.strip("/")) for path in wanted.others]
    content = subtree(whole, at, [path for path in inside if path.startswith(prefix)])
    content = _with_beneath(content, wanted.beneath, prefix)
    if wanted.type.is_fat:
        content = labels.without_labels(content)
    return _bootable(content, wanted.uki, wanted, work) if wanted.uki else content


def _with_beneath(content: Archive, beneath: Sequence[Entry], prefix: bytes) -> Archive:
    """The content with the directories of mount points as they are without what is mounted there.
    One that had no label has that of the other, which the policy gave to its path.
    """
    known = {entry.path.removeprefix(prefix): entry for entry in beneath}

    def change(entry: Entry) -> Entry:
        own = known.get(entry.path)
        if own is None or entry.kind is not Kind.DIRECTORY or own.kind is not Kind.DIRECTORY:
            return entry
        xattrs, label = own.xattrs, entry.xattr(XATTR_SELINUX)
        if label is not None and own.xattr(XATTR_SELINUX) is None:
            xattrs = tuple(sorted([*xattrs, (XATTR_SELINUX, label)]))
        return dataclasses.replace(own, path=entry.path, xattrs=xattrs)

    return content.changed(change) if known else content


def _mount_point(wanted: WriteFilesystem) -> bytes:
    return os.fsencode((wanted.mount or "").strip("/"))


def _bootable(content: Archive, uki: str, wanted: WriteFilesystem, work: Work) -> Archive:
    """The content of an EFI system partition: what the tree has there, the loader, the UKI."""
    tools = trees_in(work.result(TOOLS)).main
    with merged_tree(work, wanted.below) as tree:
        ukis = {path.name: path for path in esp.ukis_in(work.result(uki))}
        found = esp.esp_content(tree, tools, ukis, wanted.loader, wanted.architecture)
    data: dict[bytes, bytes | Path] = {os.fsencode(path): item for path, item in found.items()}
    time = wanted.epoch * 10**9
    entries = [Entry(path, Kind.FILE, 0o755, mtime_ns=time) for path in data]
    for entry in content:
        if entry.kind is Kind.DIRECTORY:
            entries.append(entry)
        elif entry.path not in data:
            entries.append(entry)
            data[entry.path] = content.read(entry.path)
    return Archive.from_entries(entries, data)


def _tools(work: Work, wanted: WriteFilesystem) -> Tools:
    """The tools that write and read it."""
    return trees_in(work.result(TOOLS)).named(by_name(wanted.type).needs)


def _oldest_kernel(whole: Archive) -> str | None:
    """The release of the oldest kernel of an image, which all its file systems are made for."""
    found = (entry.name.decode() for entry in whole if entry.parent == b"usr/lib/modules")
    return min(found, key=kernels.version, default=None)
