"""Makes the parts of a live system: its root as an image, or as an initramfs, and what else is on
its medium.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.archive import Archive, Entry
from dockyard.archive.entry import NANOSECONDS
from dockyard.archive.flags import held
from dockyard.disk.identity import derive
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.filesystems.proof import prove
from dockyard.host import files, removal
from dockyard.host.in_root import InRoot
from dockyard.initrd.whole import write_whole
from dockyard.pipeline.arguments.live import (
    MakeWholeInitrd,
    ProveLiveRoot,
    TakeMediumFiles,
    WriteLiveRoot,
)
from dockyard.pipeline.arguments.names import FILESYSTEM, INITRD, TOOLS, TREE
from dockyard.pipeline.stack import load_root
from dockyard.tools.unpacked import trees_in
from dockyard.tree.setting import Tree

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_KIND = "squashfs"


def write_live_root(work: Work, wanted: WriteLiveRoot) -> None:
    """Fills `filesystem`, the image of the root."""
    root, module = _root(work, wanted), by_name(_KIND)
    if refused := module.refuse(root):
        raise DockyardError(*refused)
    work.progress(f"{len(root)} files")
    spec = FilesystemSpec(derive(b"", "live"), "", wanted.epoch)
    tools = trees_in(work.result(TOOLS)).named(module.needs)
    module.write(root, work.out / FILESYSTEM, 0, spec, tools)


def prove_live_root(work: Work, wanted: ProveLiveRoot) -> None:
    """Reads the image of a root back and compares it with what was to go into it. Fills nothing."""
    root = _root(work, wanted.live)
    scratch = work.out / "scratch"
    scratch.mkdir()
    tools = trees_in(work.result(TOOLS)).named(by_name(_KIND).needs)
    prove(_KIND, root, work.result(wanted.written) / FILESYSTEM, tools, scratch)
    removal.remove_tree(scratch)


def make_whole_initrd(work: Work, wanted: MakeWholeInitrd) -> None:
    """Fills `initrd` with the whole root."""
    root = held(load_root(work.result, wanted.live.root, wanted.live.below), "")
    work.progress(f"{len(root)} files")
    write_whole(root, work.out / INITRD, wanted.live.epoch)


def take_medium_files(work: Work, wanted: TakeMediumFiles) -> None:
    """Fills `tree/` with files of the user's, by their places on the medium."""
    place = work.out / TREE
    files.make_root(place)
    with InRoot(place) as inside:
        tree = Tree(place, inside, wanted.epoch)
        for each in wanted.files:
            each.apply(tree)


def _root(work: Work, wanted: WriteLiveRoot) -> Archive:
    """The root as the image can hold it: with times of whole seconds, and no flags."""
    return held(load_root(work.result, wanted.root, wanted.below), "").changed(_whole_seconds)


def _whole_seconds(entry: Entry) -> Entry:
    rest = entry.mtime_ns % NANOSECONDS
    return replace(entry, mtime_ns=entry.mtime_ns - rest) if rest else entry
