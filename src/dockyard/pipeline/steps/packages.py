"""Installs an image's packages into an empty tree, and remembers what it holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.errors import Problems
from dockyard.host import files, removal
from dockyard.install.finish import finish
from dockyard.install.rpm import install
from dockyard.model.packages import Pin
from dockyard.packages.access import Access
from dockyard.packages.fetching import Fetching
from dockyard.packages.pinned_files import resolve_files
from dockyard.packages.rpm.signature import strip_signature
from dockyard.pipeline.arguments import INDEX, TOOLS, TREE, Packages
from dockyard.pipeline.named import unknown_names
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def install_packages(work: Work, wanted: Packages) -> None:
    """Fills `tree/`, all packages installed, and `index` of it."""
    work.progress("checking packages")
    access = Access.of_store(work.store, offline=wanted.offline, progress=Fetching(work.progress))
    found = resolve_files(wanted.lock, wanted.repositories, access, wanted.lock_file)
    problems = Problems()
    problems.extend(
        unknown_names(
            wanted.settings,
            wanted.lock,
            wanted.repositories,
            access,
            wanted.position,
            wanted.filesystems,
        )
    )
    problems.raise_any()
    unsigned = work.out / "packages"
    packages = _without_foreign_signatures(found, unsigned)
    tree = work.out / TREE
    files.make_root(tree)

    def installed(done: int) -> None:
        work.progress("installing packages", done, len(packages), "packages")

    installed(0)
    tools = trees_in(work.result(TOOLS)).main
    epoch, documents = wanted.epoch, wanted.documents
    install(packages, tree, tools, epoch, documents=documents, installed=installed)
    removal.remove_tree(unsigned)
    work.progress("finishing the tree")
    finish(tree, epoch)
    work.progress("reading the tree")
    listed = archive.scan(tree, epoch=epoch)
    archive.save(listed, work.out / INDEX)
    work.digested(
        {f"{TREE}/{os.fsdecode(entry.path)}": entry.digest for entry in listed if entry.digest}
    )


def _without_foreign_signatures(found: Mapping[Pin, Path], directory: Path) -> list[Path]:
    """The files to install: those pinned by content as the converter wrote them, without signature.

    The signature has been verified; it would go into the rpmdb, and it differs between signers.
    """
    directory.mkdir()
    chosen = []
    for pin, path in sorted(found.items()):
        if pin.content is None:
            chosen.append(path)
        else:
            plain = directory / f"{pin.nevra}.rpm"
            strip_signature(path, plain)
            chosen.append(plain)
    return chosen
