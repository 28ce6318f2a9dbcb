"""Pinned RPM packages (see `packages.pinned`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dockyard.errors import Position
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock, Pin, Repository, RpmRepository
from dockyard.packages.file_lists import FileLists, file_lists

if TYPE_CHECKING:
    from dockyard.packages.access import Access
    from dockyard.packages.pinned_files import Located
    from dockyard.packages.providing import Provided


def rpm_repositories(repositories: Iterable[Repository]) -> tuple[RpmRepository, ...]:
    """The same, as what they are."""
    return tuple(each for each in repositories if isinstance(each, RpmRepository))


class PinnedRpms:
    """What `packages.pinned.PinnedPackages` says, for RPM packages."""

    def locate(
        self,
        lock: Lock,
        repositories: Sequence[Repository],
        access: Access,
        where: Position | str | None,
    ) -> Located:
        from dockyard.packages.pinned_files import locate_files

        return locate_files(lock, rpm_repositories(repositories), access, where)

    def file_lists(
        self, pins: Sequence[Pin], repositories: Sequence[Repository], access: Access
    ) -> FileLists | None:
        return file_lists(pins, rpm_repositories(repositories), access)

    def who_provides(
        self,
        wanted: Iterable[str],
        repositories: Sequence[Repository],
        access: Access,
        architecture: Architecture,
        *,
        near: bool = True,
    ) -> Mapping[str, Provided]:
        from dockyard.packages.providing import who_provides

        own = rpm_repositories(repositories)
        return who_provides(wanted, own, access, architecture, near=near)
