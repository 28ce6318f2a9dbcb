"""Pins of Debian packages: made from what was chosen, and fetched from wherever they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dockyard.model.packages import LockedRepository, PackageKind, Pin
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import DebianArchive, PackagesFile, Suite
from dockyard.packages.deb.index import Candidate, Index, open_index
from dockyard.packages.fetch import Progress, Wanted, fetch
from dockyard.packages.origins import Origins


def pin(candidate: Candidate) -> Pin:
    """The pin of a package that an archive offers."""
    return Pin(
        name=candidate.name,
        evr=candidate.version,
        arch=candidate.architecture,
        repository=candidate.repository,
        path=candidate.path,
        kind=PackageKind.DEB,
        size=candidate.size,
        digest=candidate.digest,
    )


def locked_repository(file: PackagesFile) -> LockedRepository:
    """How a suite was verified: its packages by the digests of its signed metadata."""
    return LockedRepository(
        file.suite.id,
        kind=PackageKind.DEB,
        check_packages=False,
        check_metadata=True,
        keys=file.signed_by,
        revision=file.revision,
    )


def open_suites(
    suites: Sequence[Suite], store: Path, origins: Origins, progress: Progress | None = None
) -> tuple[Index, list[PackagesFile]]:
    """The current packages of suites, fetched, verified and ready to be chosen from."""
    blobs = Blobs.of_store(store)
    archive = DebianArchive(origins.need_mirrors(), blobs, progress=progress)
    files = archive.packages(suites)
    return open_index(files, blobs, store / "solv"), files


def wanted(pins: Iterable[Pin], mirrors: Sequence[str]) -> list[Wanted]:
    """What to fetch for pins; every mirror lays files out by the same paths."""
    return [
        Wanted(
            item.digest,
            item.size,
            tuple(f"{mirror}/{item.path}" for mirror in mirrors),
            item.nevra,
        )
        for item in pins
    ]


def fetch_pins(
    pins: Iterable[Pin], blobs: Blobs, origins: Origins, progress: Progress | None = None
) -> None:
    """Bring pinned packages into the blobs. Raises DockyardError as `fetch` does."""
    missing = [item for item in pins if not blobs.has(item.digest)]
    if missing:
        # An offline directory may have all: a mirror is needed only when it does not.
        there = [Blobs(path) for path in origins.offline]
        alone = all(any(directory.has(item.digest) for directory in there) for item in missing)
        mirrors = origins.mirrors if alone else origins.need_mirrors()
        fetch(wanted(missing, mirrors), blobs, progress=progress, offline=origins.offline)
