"""Takes the package manager and its data out of a tree: the last thing that is done to packages.

Its packages are erased by rpm, with what needs them; its directories are removed, the database of
packages among them. What only the manager needed stays: nobody knows which packages somebody asked
for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from dockyard.host.in_root import InRoot
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.install import rpmdb
from dockyard.install.change import Database, change
from dockyard.model.architecture import Architecture
from dockyard.model.family import MANAGER_DATA, MANAGERS, Packaging
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages.rpm.header import Tag, parse
from dockyard.packages.rpm.primary import chunk, from_chunks, installed
from dockyard.packages.rpm.repository import Metadata
from dockyard.packages.solve import Solution, solve

_KEYS = "gpg-pubkey"


def without_manager(
    here: Metadata,
    architecture: Architecture,
    cache: Path,
    *,
    protected: Sequence[str],
    kernels: Sequence[str],
) -> Solution | None:
    """What goes with the package manager; None where the image has none. Raises DockyardError where
    that takes along what must stay.
    """
    names = [name for name in MANAGERS if f"<name>{name}</name>".encode() in here.primary()]
    if not names:
        return None
    request = Request(
        (),
        architecture=architecture,
        remove=tuple(names),
        protected=tuple(sorted(set(protected) - set(MANAGERS))),
        kernels=tuple(kernels),
    )
    return solve(request, [], cache, installed=here)


def remove_manager(
    root: Path,
    tools: Tools,
    epoch: int,
    database: Database,
    packaging: Packaging,
    architecture: Architecture,
    cache: Path,
    *,
    protected: Sequence[str],
    kernels: Sequence[str],
) -> None:
    """Take the manager and its data out of a tree. See `change` for the rest."""
    here = _installed(root, tools, epoch, database)
    found = without_manager(here, architecture, cache, protected=protected, kernels=kernels)
    if found is not None:
        change([], found.removed, root, tools, epoch, database)
    directories = {*MANAGER_DATA, database.directory, packaging.database, *packaging.state}
    with InRoot(root) as inside:
        for directory in sorted(directories):
            status = inside.lstat(directory)
            if status is None:
                continue
            parent, _, name = directory.rpartition("/")
            place = root / inside.directory(parent) / name
            if place.is_symlink() or not place.is_dir():
                inside.remove(directory)
            else:
                remove_tree(place)


def _installed(root: Path, tools: Tools, epoch: int, database: Database) -> Metadata:
    blobs = rpmdb.headers(root, tools, epoch, database.directory, database.backend)
    parsed = (parse(blob, 0, frozenset(Tag))[0] for blob in blobs)
    primary = from_chunks(chunk(installed(e)) for e in parsed if e.text(Tag.NAME) != _KEYS)
    identity = f"sha256:{hashlib.sha256(primary).hexdigest()}"
    return Metadata(RpmRepository(""), (), identity, lambda: primary)
