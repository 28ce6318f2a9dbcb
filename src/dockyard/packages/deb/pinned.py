"""Pinned Debian packages (see `packages.pinned`). Which files they have is known once they are
here: the metadata of archives do not say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.architecture import Architecture
from dockyard.model.packages import DebRepository, Lock, Pin, Repository
from dockyard.packages.deb.repository import deb_repositories, need_addresses
from dockyard.packages.file_lists import FileLists

if TYPE_CHECKING:
    from dockyard.packages.access import Access
    from dockyard.packages.fetch import Wanted
    from dockyard.packages.pinned_files import Located
    from dockyard.packages.providing import Provided


class PinnedDebs:
    """What `packages.pinned.PinnedPackages` says, for Debian packages."""

    def locate(
        self,
        lock: Lock,
        repositories: Sequence[Repository],
        access: Access,
        where: Position | str | None,
    ) -> Located:
        from dockyard.packages.fetch import fetch
        from dockyard.packages.pinned_files import Located

        blobs = access.blobs
        known = {each.id: each for each in deb_repositories(repositories)}
        missing = [pin for pin in lock.packages if not blobs.has(pin.digest)]
        if missing:
            wanted = _wanted(missing, known, access, where)
            fetch(wanted, blobs, progress=access.progress, offline=access.offline)
        return Located({pin: blobs.path(pin.digest) for pin in lock.packages}, {})

    def file_lists(
        self, pins: Sequence[Pin], repositories: Sequence[Repository], access: Access
    ) -> FileLists | None:
        from dockyard.packages.deb.package import read_deb
        from dockyard.packages.deb.package_file import DebPackageFile

        found = [access.blobs.path(pin.digest) for pin in pins]
        if not all(path.is_file() for path in found):
            return None
        return FileLists(tuple(DebPackageFile(read_deb(path)) for path in found))

    def who_provides(
        self,
        wanted: Iterable[str],
        repositories: Sequence[Repository],
        access: Access,
        architecture: Architecture,
        *,
        near: bool = True,
    ) -> Mapping[str, Provided]:
        """Nothing: an archive's package indexes list no files."""
        from dockyard.packages.providing import Provided

        return {item: Provided(item, ()) for item in wanted}


def _wanted(
    pins: Sequence[Pin],
    known: Mapping[str, DebRepository],
    access: Access,
    where: Position | str | None,
) -> list[Wanted]:
    """What to fetch. Raises DockyardError where nobody is known to have it."""
    from dockyard.packages.blobs import Blobs
    from dockyard.packages.fetch import Wanted

    if unknown := sorted({pin.repository for pin in pins} - known.keys()):
        raise DockyardError(
            *(
                Problem(
                    "lock.no-repository",
                    f"the lock has packages of {name}, which the distribution does not have",
                    where,
                    fix="declare it again, or make a new lock with: dockyard lock",
                )
                for name in unknown
            )
        )
    there = [Blobs(path) for path in access.offline]
    wanted = []
    nowhere: dict[str, DebRepository] = {}
    for pin in pins:
        bases = known[pin.repository].base_urls
        if not bases and not any(place.has(pin.digest) for place in there):
            nowhere[pin.repository] = known[pin.repository]
        urls = tuple(f"{base}/{pin.path}" for base in bases)
        wanted.append(Wanted(pin.digest, pin.size, urls, pin.nevra, where))
    need_addresses(nowhere.values())
    return wanted
