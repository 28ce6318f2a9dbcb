"""Unpacks one package into a tree of its own, for all images that have it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pysequoia

from dockyard.errors import DockyardError
from dockyard.install.unpack import TREE, unpack_package
from dockyard.model.packages import Lock
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.rpm.checked import Trust, check_file
from dockyard.packages.rpm.keys import fingerprints
from dockyard.packages.rpm.reader import RpmFile, read_package
from dockyard.pipeline.arguments.names import FETCH
from dockyard.pipeline.arguments.packages import Unpack
from dockyard.pipeline.fetched import Fetched

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def unpack(work: Work, wanted: Unpack) -> None:
    """Fills what `unpack_package` says, of a package that is what was pinned, and signed as it must
    be.
    """
    fetched = _fetched(work.result(FETCH), work.store)
    pin = wanted.pin
    path = fetched.files.get(pin.nevra)
    if pin.digest and not pin.content:  # of this store, whatever another one noted
        path = Blobs.of_store(work.store).path(pin.digest)
    if path is None or not path.is_file():
        path = _from_elsewhere(work, wanted)
    trust = None
    if wanted.checked:
        certificates = _certificates(tuple(fetched.keys.get(pin.repository, ())))
        recorded = frozenset(wanted.keys or fingerprints(certificates))
        trust = Trust(certificates, recorded, wanted.repository.position)
    package = _checked(work, path, wanted, trust)
    made = unpack_package(package, work.out, signed=pin.content is None)
    work.digested({f"{TREE}/{os.fsdecode(e.path)}": e.digest for e in made if e.digest})


def _checked(work: Work, path: Path, wanted: Unpack, trust: Trust | None) -> RpmFile:
    """The package, opened. What a signature covers is read for that; what is pinned by digest alone
    is held against it once more, for it was fetched long ago perhaps.
    """
    pin, blobs = wanted.pin, Blobs.of_store(work.store)
    downloaded = bool(pin.digest) and path == blobs.path(pin.digest)
    if downloaded and trust is None:
        blobs.whole(pin.digest, pin.nevra)
    try:
        package = read_package(path)
        check_file(package, pin, trust, wanted.lock_file)
    except DockyardError:
        if downloaded:
            blobs.whole(pin.digest, pin.nevra)  # else it is the repository's fault
        raise
    return package


@lru_cache(maxsize=4)
def _fetched(place: Path, store: Path) -> Fetched:
    return Fetched.load(place, store)


@lru_cache(maxsize=16)
def _certificates(keys: tuple[bytes, ...]) -> tuple[pysequoia.Cert, ...]:
    return tuple(pysequoia.Cert.from_bytes(each) for each in keys)


def _from_elsewhere(work: Work, wanted: Unpack) -> Path:
    """The file of a package that is in a directory of this machine, or was removed since it was
    fetched.
    """
    # Most runs never come here, and need no HTTP.
    from dockyard.packages.content_pins import file_here
    from dockyard.packages.pinned_files import locate_files

    if path := file_here(wanted.pin, wanted.repository):
        return path
    access = Access.of_store(work.store, offline=wanted.offline)
    lock = Lock("", repositories=(wanted.rule,), packages=(wanted.pin,))
    found = locate_files(lock, (wanted.repository,), access, wanted.lock_file)
    return found.files[wanted.pin]
