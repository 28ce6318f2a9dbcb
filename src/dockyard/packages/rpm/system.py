"""The package system rpm: repositories as dnf has them (see `packages.system`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Problem
from dockyard.model.distro import Distro
from dockyard.model.packages import Lock, Pin, Repository, Request
from dockyard.packages import locking
from dockyard.packages.rpm.comps import is_group
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.packages.rpm.sources import image_repositories

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.host.network import Network
    from dockyard.packages.access import Access
    from dockyard.packages.origins import Origins


class RpmSystem:
    """What `packages.system.PackageSystem` says, for RPM packages."""

    def refused(self, loaded: LoadedImage) -> Iterator[Problem]:
        from dockyard.config import package_names

        try:
            removed = package_names(loaded).remove
        except DockyardError:
            return  # told by what asks for the packages
        for each in removed:
            if is_group(each.name):
                yield Problem(
                    "build.group-stays",
                    f"the group {each.name} cannot be left out as such",
                    each.position,
                    why="what is removed is never chosen, whoever needs it; a group's packages may "
                    "be needed by others",
                    fix="name its packages that are not to come",
                )

    def repositories(
        self,
        distro: Distro,
        directory: Path,
        store: Path,
        origins: Origins,
        *,
        extra: Sequence[Path] = (),
        without: Collection[str] = (),
    ) -> tuple[Repository, ...]:
        return image_repositories(
            distro,
            directory,
            store,
            origins,
            extra=extra,
        )

    def make_lock(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Iterable[Pin],
    ) -> Lock:
        own = rpm_repositories(repositories)
        return locking.make_lock(subject, request, own, access, tools)

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        return locking.refresh_missing(lock, rpm_repositories(repositories), access)[0]

    def addresses(self, repository: Repository, network: Network) -> tuple[str, ...]:
        from dockyard.packages.rpm.repository import find_mirrors

        (own,) = rpm_repositories([repository])
        return find_mirrors(own, network).bases
