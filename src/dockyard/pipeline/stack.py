"""The results that make up a root tree: that of the packages, and layers over it.

A layer's result is `upper/`, the upper directory of an overlay mount: only what changed. The
archive of a root is the packages' archive with every layer merged over it; its index is kept in the
order of the layers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.archive import Archive
from dockyard.host import files, mounts, removal
from dockyard.pipeline.arguments.names import INDEX, TREE, UPPER
from dockyard.pipeline.index_only import restored

if TYPE_CHECKING:
    from dockyard.engine.work import Work


@contextmanager
def writable_tree(work: Work, below: Sequence[str]) -> Iterator[Path]:
    """Mount the trees below with the work directory's `upper` on top, for the length of the
    block.
    """
    upper, scratch, at = (work.out / name for name in (UPPER, "scratch", "root"))
    lowers = _lowers(work, below)
    files.make_root(upper)
    root = lowers[0].stat()  # what the uppermost directory is, the root of the overlay is
    os.chown(upper, root.st_uid, root.st_gid)
    upper.chmod(stat.S_IMODE(root.st_mode))
    for directory in (scratch, at):
        directory.mkdir()
    with mounts.overlay(lowers, upper, scratch, at):
        yield at
    mounts.forget_lowers(upper)
    removal.remove_tree(scratch)
    at.rmdir()


@contextmanager
def scratch_tree(work: Work, below: Sequence[str]) -> Iterator[Path]:
    """The trees below as one directory that may be written to; what is written is thrown away."""
    with writable_tree(work, below) as at:
        yield at
    removal.remove_tree(work.out / UPPER)


@contextmanager
def merged_tree(work: Work, below: Sequence[str]) -> Iterator[Path]:
    """The trees below as one directory, to read from."""
    lowers = _lowers(work, below)
    if len(lowers) == 1:
        yield lowers[0]
        return
    at = work.out / "root"
    at.mkdir()
    with mounts.overlay(lowers, None, None, at):
        yield at
    at.rmdir()


def merged_archive(work: Work, below: Sequence[str], epoch: int) -> Archive:
    """The archive of the lowest tree with every layer over it."""
    packages, *layers = below
    merged = archive.load(work.result(packages) / INDEX, package_trees(work.result(packages)))
    for layer in layers:
        over = archive.merge(merged, work.result(layer) / UPPER, epoch=epoch)
        merged = restored(merged, over)
    return merged


def load_root(result: Callable[[str], Path], root: str, below: Sequence[str]) -> Archive:
    """The archive of a root that was merged before. result: gives the place of a result by the
    name of its step. below: what it was merged of.
    """
    packages, *layers = below
    uppers = [result(layer) / UPPER for layer in layers]
    places = [*package_trees(result(packages)), *uppers]
    return archive.load(result(root) / INDEX, places)


def _lowers(work: Work, below: Sequence[str]) -> list[Path]:
    packages, *layers = below
    uppers = [work.result(layer) / UPPER for layer in reversed(layers)]
    return [*uppers, *reversed(package_trees(work.result(packages)))]


def package_trees(result: Path) -> list[Path]:
    """The trees that the packages' result is made of, the lowest first."""
    upper = result / UPPER
    return [result / TREE, *([upper] if upper.is_dir() else [])]
