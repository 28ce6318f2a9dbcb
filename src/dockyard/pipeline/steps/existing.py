"""Takes an image that exists apart: its raw disk, its root tree, and partitions that are kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, order
from dockyard.disk import efi
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import btrfs, by_name
from dockyard.filesystems.image import Region
from dockyard.filesystems.swap import UUID_AT
from dockyard.formats.containers import raw_disk
from dockyard.host import files, removal
from dockyard.pipeline import read_before
from dockyard.pipeline.arguments.existing import (
    ConvertDisk,
    KeepPartition,
    KeepSealed,
    TakeRoot,
)
from dockyard.pipeline.arguments.names import FILESYSTEM, INDEX, TOOLS, TREE
from dockyard.pipeline.index_only import shown
from dockyard.pipeline.stack import load_root, package_trees
from dockyard.pipeline.untouched import disk_of, require_same, require_untouched
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


_MODULES = b"usr/lib/modules"


def convert_disk(work: Work, wanted: ConvertDisk) -> None:
    """Fills `disk`, the raw disk of an image that is none."""
    image = Path(wanted.image)
    require_untouched(image, wanted.stamp)
    raw_disk(image, work.out, trees_in(work.result(TOOLS)).main)
    require_untouched(image, wanted.stamp)


def take_root(work: Work, wanted: TakeRoot) -> None:
    """Fills `tree/` and `index`: all file systems that are mounted, as one tree.

    Device nodes are in the index alone: nobody can make one in a namespace.
    """
    disk = disk_of(work.result, wanted.disk)
    tools = trees_in(work.result(TOOLS))
    scratch = work.out / "scratch"
    scratch.mkdir()
    whole: Archive | None = None
    for part in sorted(wanted.parts, key=lambda each: each.mount):
        work.progress(f"reading {part.mount}")
        module = by_name(part.module)
        region = Region(disk, part.start, part.size)
        if part.subvolume is not None:
            found = btrfs.read(region, subvolume=part.subvolume, nested=False, digests=False)
        elif (before := read_before.take(region)) is not None:
            found = before
        else:
            found = module.read(region, tools.named(module.needs), scratch, digests=False)
        at = os.fsencode(part.mount.strip("/"))
        whole = found if whole is None else archive.joined(whole, at, found)
    assert whole is not None
    if wanted.kernel is not None:
        whole = _with_kernel(whole, Region(disk, *wanted.kernel))
    work.progress("writing the tree", 0, len(whole), "files")
    tree = work.out / TREE
    files.make_root(tree)
    # The digests are those of what was written, in one look at the data.
    whole = whole.with_digests(archive.unpack(holdable(whole).changed(shown), tree))
    archive.save(Archive(whole.entries, (archive.TreeSource(tree),)), work.out / INDEX)
    removal.remove_tree(scratch)
    require_same(wanted.disk)
    work.digested({f"{TREE}/{os.fsdecode(e.path)}": e.digest for e in whole if e.digest})


def _with_kernel(whole: Archive, kernel: Region) -> Archive:
    """A root with the kernel of its medium in /boot, where it has none of its own."""
    places = (os.fsencode(place) for place in efi.KERNELS)
    versions = [entry.name for entry in whole if entry.parent == _MODULES]
    if len(versions) != 1 or any(whole.find(at.replace(b"{0}", versions[0])) for at in places):
        return whole
    path = b"boot/vmlinuz-" + versions[0]
    (newest,) = (entry.mtime_ns for entry in whole if entry.path == _MODULES)
    with kernel.path.open("rb") as medium:
        medium.seek(kernel.start)
        data = medium.read(kernel.size)
    added = Archive.from_entries([Entry(path, Kind.FILE, 0o644, mtime_ns=newest)], {path: data})
    one = added.entries[added.positions[path]]
    placed = [*zip(whole.entries, whole.source_of, strict=True), (one, len(whole.sources))]
    placed.sort(key=lambda pair: order(pair[0].path))
    sources = (*whole.sources, *added.sources)
    return Archive([entry for entry, _ in placed], sources, [source for _, source in placed])


def keep_partition(work: Work, wanted: KeepPartition) -> None:
    """Fills `filesystem` with what a partition holds, whatever that is; zeros become holes. Only
    swap space may get another id.
    """
    kept = work.out / FILESYSTEM
    files.copy_sparse(disk_of(work.result, wanted.disk), kept, wanted.start, wanted.size)
    if wanted.swap is not None:
        with kept.open("r+b") as out:
            os.pwrite(out.fileno(), wanted.swap.bytes, UUID_AT)
    require_same(wanted.disk)


def keep_sealed(work: Work, wanted: KeepSealed) -> None:
    """The same of what is checked by its hash. Raises DockyardError where the new root has it
    otherwise: that would be lost.
    """
    before = archive.load(
        work.result(wanted.below[0]) / INDEX, package_trees(work.result(wanted.below[0]))
    )
    after = load_root(work.result, wanted.root, wanted.below)
    changed = sorted(_changed(wanted, before, after))
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise DockyardError(
            Problem(
                "image.verity-kept",
                f"what is below {wanted.mount} is to be kept as it is, and was changed",
                why=f"changed were {', '.join(changed[:5])}{more}",
                fix="set `storage.reinitializeVerity: all`, or change only what is elsewhere",
            )
        )
    keep_partition(work, wanted.kept)


def _changed(wanted: KeepSealed, before: Archive, after: Archive) -> set[str]:
    """The paths in a file system that are not the same in two trees. Times of directories tell
    nothing.
    """
    at = os.fsencode(wanted.mount.strip("/"))
    inside = [os.fsencode(path.strip("/")) for path in wanted.others]
    below = [path for path in inside if not at or path.startswith(at + b"/")]
    old, new = (
        {
            entry.path: replace(entry, mtime_ns=0) if entry.kind is Kind.DIRECTORY else entry
            for entry in archive.subtree(each, at, below)
        }
        for each in (before, after)
    )
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return {f"{wanted.mount.rstrip('/')}/{os.fsdecode(path)}" for path in paths}


def holdable(whole: Archive) -> Archive:
    """What a directory in the namespace can hold of an archive: all but device nodes."""
    kept = [number for number, entry in enumerate(whole) if entry.kind not in DEVICES]
    entries = [whole.entries[number] for number in kept]
    return Archive(entries, whole.sources, [whole.source_of[number] for number in kept])
