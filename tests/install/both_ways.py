"""The tree of a set of packages, made in both ways: by rpm in one transaction, and of trees that
were unpacked before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dockyard import archive
from dockyard.archive import Archive, Entry
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools
from dockyard.install import rpm, rpmdb
from dockyard.install.assemble import INDEX, TREE, UPPER, assemble
from dockyard.install.finish import finish
from dockyard.install.indices import make_index, select
from dockyard.install.unpack import unpack_package
from dockyard.model.family import HARBOR, Packaging


def by_rpm(
    packages: Sequence[Path],
    out: Path,
    tools: Tools,
    epoch: int,
    documents: bool = True,
    packaging: Packaging = HARBOR.packaging,
) -> Archive:
    tree = out / "by-rpm"
    make_root(tree)
    rpm.install(packages, tree, tools, epoch, packaging.database, documents=documents)
    finish(tree, epoch, packaging)
    return archive.scan(tree, epoch=epoch)


def assembled(
    packages: Sequence[Path],
    out: Path,
    tools: Tools,
    epoch: int,
    documents: bool = True,
    packaging: Packaging = HARBOR.packaging,
) -> Archive:
    places = []
    for package in packages:
        place = out / "unpacked" / package.name
        place.mkdir(parents=True)
        unpack_package(package, place)
        places.append(place)
    database, made = out / "database", out / "assembled"
    chosen, index = out / "selection", out / "index"
    for directory in (database, made, chosen, index):
        directory.mkdir()
    named = {place.name: place for place in places}
    select("modules", named, chosen)
    make_index(chosen, named, index, epoch)
    rpmdb.make(places, database, tools, epoch, documents=documents)
    whole = assemble(
        places,
        made,
        tools,
        epoch,
        packaging,
        database=database / rpmdb.NAME,
        documents=documents,
        indices=[index],
    )
    kept = archive.load(made / INDEX, [made / TREE, made / UPPER])
    assert kept.entries == whole.entries
    for entry in kept:  # each file's data lie where the archive says
        if entry.kind is archive.Kind.FILE:
            kept.read(entry.path)
    return kept


def differences(one: Archive, other: Archive) -> list[tuple[Entry | None, Entry | None]]:
    """What differs between two archives: the entries of both, in any attribute."""
    ours, theirs = ({entry.path: entry for entry in each} for each in (one, other))
    paths = sorted(ours.keys() | theirs.keys())
    return [(ours.get(p), theirs.get(p)) for p in paths if ours.get(p) != theirs.get(p)]
