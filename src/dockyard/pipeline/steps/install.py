"""Makes the tree of an image's packages, of the trees that each was unpacked into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.archive import Archive
from dockyard.errors import Problems
from dockyard.host import files, removal
from dockyard.install import rpmdb
from dockyard.install.assemble import assemble
from dockyard.install.compose import Unsuited, require_suited
from dockyard.install.finish import finish
from dockyard.install.rpm import install
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.content_pins import file_here
from dockyard.packages.pinned_files import locate_files
from dockyard.packages.rpm.checked import check_file
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.packages.rpm.signature import strip_signature
from dockyard.pipeline.arguments.names import FETCH, INDEX, TOOLS, TREE, UPPER
from dockyard.pipeline.arguments.settings import InstallPackages, RequiredNames
from dockyard.pipeline.fetched import Fetched
from dockyard.pipeline.named import unknown_names
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def install_packages(work: Work, wanted: InstallPackages) -> None:
    """Fills `tree/` and what is layered over it, `upper/`, and `index`, the archive of both.

    Where rpm must install the packages itself, there is no `upper/`. What settings expect of
    packages that were not here before is looked for now.
    """
    require_expected(work.store, wanted.expected)
    work.progress("putting the packages together")
    try:
        made = _assembled(work, wanted)
    except Unsuited as reason:
        work.progress(f"rpm installs the packages itself: {reason}")
        for left in work.out.iterdir():
            removal.remove_tree(left)
        made = _installed(work, wanted)
    work.digested(
        {
            f"{(TREE, UPPER)[made.source_of[number]]}/{os.fsdecode(entry.path)}": entry.digest
            for number, entry in enumerate(made)
            if entry.digest
        }
    )


def require_expected(store: Path, expected: RequiredNames) -> None:
    """Raise DockyardError for what settings name and no package has, now that all are here."""
    problems = Problems()
    problems.extend(
        unknown_names(
            expected.settings,
            expected.lock,
            expected.repositories,
            Access.of_store(store, offline=expected.offline),
            expected.position,
            expected.filesystems,
        )
    )
    problems.raise_any()


def _assembled(work: Work, wanted: InstallPackages) -> Archive:
    places = [work.result(name) for name in wanted.packages.values()]
    require_suited(places)
    database = work.result(wanted.database) / rpmdb.NAME
    if not database.is_file():
        raise Unsuited("they are not of one architecture")
    return assemble(
        places,
        work.out,
        trees_in(work.result(TOOLS)).main,
        wanted.epoch,
        wanted.packaging,
        database=database,
        documents=wanted.documents,
        indices=[work.result(name) for name in wanted.indices],
    )


def _installed(work: Work, wanted: InstallPackages) -> Archive:
    """The same by one transaction of rpm."""
    unsigned = work.out / "packages"
    packages = _without_foreign_signatures(work, wanted, unsigned)
    tree = work.out / TREE
    files.make_root(tree)

    def installed(done: int) -> None:
        work.progress("installing packages", done, len(packages), "packages")

    installed(0)
    tools = trees_in(work.result(TOOLS)).main
    epoch, dbpath, documents = wanted.epoch, wanted.packaging.database, wanted.documents
    install(packages, tree, tools, epoch, dbpath, documents=documents, installed=installed)
    removal.remove_tree(unsigned)
    work.progress("finishing the tree")
    finish(tree, epoch, wanted.packaging)
    work.progress("reading the tree")
    listed = archive.scan(tree, epoch=epoch)
    archive.save(listed, work.out / INDEX)
    return listed


def _without_foreign_signatures(work: Work, wanted: InstallPackages, directory: Path) -> list[Path]:
    """The files to install: those pinned by content as the converter wrote them, without signature.

    The signature has been verified; it would go into the rpmdb, and it differs between signers.
    """
    directory.mkdir()
    found = _files(work, wanted.expected)
    chosen = []
    for nevra in sorted(wanted.packages):
        if nevra in wanted.signed:
            chosen.append(found[nevra])
        else:
            plain = directory / f"{nevra}.rpm"
            strip_signature(found[nevra], plain)
            chosen.append(plain)
    return chosen


def _files(work: Work, expected: RequiredNames) -> Mapping[str, Path]:
    """The files of packages, each of which is what was pinned: they were fetched long ago perhaps,
    and a repository has others under their names since, or none.
    """
    blobs = Blobs.of_store(work.store)
    pins = expected.lock.packages
    own = rpm_repositories(expected.repositories)
    repositories = {each.id: each for each in own}
    found = dict(Fetched.load(work.result(FETCH), work.store).files)
    found |= {pin.nevra: blobs.path(pin.digest) for pin in pins if pin.content is None}
    for pin in pins:
        here = None if pin.nevra in found else file_here(pin, repositories[pin.repository])
        if here:
            found[pin.nevra] = here
    if not all(pin.nevra in found and found[pin.nevra].is_file() for pin in pins):
        access = Access.of_store(work.store, offline=expected.offline)
        located = locate_files(expected.lock, own, access, expected.position)
        found |= {pin.nevra: path for pin, path in located.files.items()}
    for pin in pins:
        if pin.content is None:
            blobs.whole(pin.digest, pin.nevra)
        else:
            check_file(found[pin.nevra], pin, None, expected.position)
    return found
