"""The tree of a set of packages, made from the trees that they were unpacked into earlier.

    tree/     all files of the packages, see `compose`; never written to
    upper/    the upper directory of an overlay over it: the database, and what was written by the
              scriptlets that rpm runs once per transaction and by the pass afterwards
    index     the archive of both

The same as `rpm.install` and `finish` make in one directory, file by file and byte by byte; a test
compares them. Packages for which that cannot be promised are `Unsuited`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dockyard import archive
from dockyard.archive import Archive, Kind
from dockyard.archive.entry import path_text
from dockyard.host import files, mounts, removal
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import Tools
from dockyard.install import rpm, rpmdb
from dockyard.install.compose import Unsuited, compose
from dockyard.install.finish import finish
from dockyard.install.indices import FILES, MadeIndex
from dockyard.install.masks import copy_directories, write_masks
from dockyard.install.stubs import write_stubs
from dockyard.model.family import Packaging

TREE = "tree"
UPPER = "upper"
INDEX = "index"


def assemble(
    packages: Sequence[Path],
    out: Path,
    tools: Tools,
    epoch: int,
    packaging: Packaging,
    *,
    database: Path,
    documents: bool = True,
    indices: Sequence[Path] = (),
) -> Archive:
    """Fill an empty directory with the tree of packages and return its archive.

    packages: results of `unpack_package`. epoch: seconds, the time that scriptlets are told.
    packaging: of the distribution. database: the file that `rpmdb.make` made of them.
    indices: results of `make_index` for the same packages. Call `namespace.enter()` before. Raises
    DockyardError, and Unsuited.
    """
    tree, upper, scratch, at = (out / name for name in (TREE, UPPER, "scratch", "root"))
    stubs, masks = out / "stubs", out / "masks"
    composed = compose(packages, tree, epoch, documents=documents)
    _make_upper(upper, composed)
    for directory in (scratch, at, stubs):
        directory.mkdir()
    names = write_stubs(packages, stubs, documents=documents)
    made = [MadeIndex.load(place) for place in indices]
    for index in made:
        _place_index(index, composed, upper)
    masked = write_masks(made, composed, masks)
    with mounts.overlay([masks, tree] if masked else [tree], upper, scratch, at):
        _place_database(at, database, packaging.database)
        rpm.run_stubs(names, stubs, at, tools, epoch)
        # A scriptlet that queried the database may have left its journal.
        _place_database(at, database, packaging.database)
        finish(at, epoch, packaging, written=upper)
    mounts.forget_lowers(upper)
    for directory in (scratch, stubs, masks):
        removal.remove_tree(directory)
    at.rmdir()
    whole = archive.merge(composed, upper, epoch=epoch)
    _refuse_separated_links(composed, whole)
    _refuse_changed_inputs(made, composed, whole)
    archive.save(whole, out / INDEX)
    return whole


def _make_upper(upper: Path, composed: Archive) -> None:
    """Make the upper directory; the root of the overlay takes its attributes from it."""
    files.make_root(upper)
    root = composed.find(b"")
    if root is not None:
        os.chown(upper, root.uid, root.gid)
        upper.chmod(root.mode)


def _place_database(root: Path, database: Path, dbpath: str) -> None:
    with InRoot(root) as inside:
        inside.make_directories(dbpath)
        for name in inside.names(dbpath):
            inside.remove(f"{dbpath}/{name}")
        inside.write(f"{dbpath}/{rpmdb.NAME}", database.read_bytes())


def _place_index(index: MadeIndex, composed: Archive, upper: Path) -> None:
    """Put the files of an index into the upper layer, as its program would have left them."""
    for entry in index.made:
        path = os.fsdecode(entry.path)
        if entry.kind is Kind.DIRECTORY:
            copy_directories(composed, path, upper)
        else:
            shutil.copyfile(index.place / FILES / path, upper / path)
            os.chown(upper / path, entry.uid, entry.gid)
            (upper / path).chmod(entry.mode)


def _refuse_changed_inputs(indices: Sequence[MadeIndex], composed: Archive, whole: Archive) -> None:
    """Raise Unsuited when the input of an index was changed after it was made."""
    touched = [entry.path for n, entry in enumerate(whole) if whole.source_of[n]]
    touched += composed.positions.keys() - whole.positions.keys()
    for path in map(os.fsdecode, touched):
        if any(index.is_input(path) for index in indices):
            raise Unsuited(f"/{path} was changed after an index had been made from it")


def _refuse_separated_links(composed: Archive, whole: Archive) -> None:
    """Raise Unsuited when a hard link was written to: an overlay separates it from the others."""
    linked = {entry.target for entry in composed if entry.kind is Kind.HARDLINK}
    for entry in composed:
        if entry.path in linked or entry.kind is Kind.HARDLINK:
            now = whole.find(entry.path)
            if now is not None and whole.source_of[whole.positions[entry.path]]:
                raise Unsuited(f"{path_text(entry.path)}, a hard link, was written to")
