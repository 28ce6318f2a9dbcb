"""Pinned packages: what is asked of a package format once a lock says which packages there are.

Steps ask it as well as what plans them, so it knows nothing of image files and of how packages are
chosen, which `system` does. `rpm.pinned` and `deb.pinned` implement it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dockyard.errors import Position
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock, PackageKind, Pin, Repository

if TYPE_CHECKING:
    from dockyard.packages.access import Access
    from dockyard.packages.file_lists import FileLists
    from dockyard.packages.pinned_files import Located
    from dockyard.packages.providing import Provided


class PinnedPackages(Protocol):
    """Packages of a format. Each function takes the repositories that a package system gave."""

    def locate(
        self,
        lock: Lock,
        repositories: Sequence[Repository],
        access: Access,
        where: Position | str | None,
    ) -> Located:
        """Fetch what is not there of what a lock pins, and say where everything is. where: the
        lock's file, for errors. Raises DockyardError.
        """
        ...

    def file_lists(
        self, pins: Sequence[Pin], repositories: Sequence[Repository], access: Access
    ) -> FileLists | None:
        """The files of pinned packages; None while one of them is still to be fetched."""
        ...

    def who_provides(
        self,
        wanted: Iterable[str],
        repositories: Sequence[Repository],
        access: Access,
        architecture: Architecture,
        *,
        near: bool = True,
    ) -> Mapping[str, Provided]:
        """Which packages have some paths and programs, as far as metadata on this machine says it;
        no server is asked. near: look for what is like it, too.
        """
        ...


def pinned_of(kind: PackageKind) -> PinnedPackages:
    """Pinned packages of a format."""
    if kind is PackageKind.DEB:
        from dockyard.packages.deb.pinned import PinnedDebs

        return PinnedDebs()
    from dockyard.packages.rpm.pinned import PinnedRpms

    return PinnedRpms()
