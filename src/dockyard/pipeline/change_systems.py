"""Package systems of images that exist: all that a change of their packages asks of a format, as
one interface. What is the same for all formats is `package_changes`, which decides what changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dockyard.config import LoadedImage
from dockyard.errors import DockyardError, Problem
from dockyard.model.package_change import PackageChange
from dockyard.model.packages import Lock, Pin, Repository, Request
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.deb.changes import changes_of_debs
from dockyard.packages.deb.repository import deb_repositories
from dockyard.packages.origins import Origins
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.pipeline.change_repositories import LEAVE_OUT, change_repositories
from dockyard.pipeline.deb_change_repositories import deb_change_repositories, refuse_time
from dockyard.pipeline.installed_debs import KnownDebs
from dockyard.pipeline.overrides import Overrides
from dockyard.pipeline.package_facts import InstalledFacts

if TYPE_CHECKING:
    from dockyard.packages.solve import Solution
    from dockyard.pipeline.existing_disk import DiskSource


class ChangeSystem(Protocol):
    """The packages of an image, to be changed. Each function takes the repositories that
    `repositories` gave, and raises DockyardError with every problem.
    """

    def repositories(
        self,
        loaded: LoadedImage,
        source: DiskSource,
        request: Request,
        overrides: Overrides,
        origins: Origins,
        store: Path,
    ) -> tuple[Repository, ...]:
        """The repositories that a request asks; none where it only removes."""
        ...

    def decide(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Sequence[Pin],
    ) -> tuple[Lock, Solution]:
        """Ask the solver: the lock of what changes, and the choice in a person's terms."""
        ...

    def changes(self, lock: Lock, access: Access) -> tuple[PackageChange, ...]:
        """What a lock changes, in a person's terms."""
        ...

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        """The lock with the pins moved whose bytes nobody has any more."""
        ...


@dataclass(frozen=True, slots=True)
class ChangedRpms:
    """What `ChangeSystem` says, for RPM packages."""

    installed: InstalledFacts

    def repositories(
        self,
        loaded: LoadedImage,
        source: DiskSource,
        request: Request,
        overrides: Overrides,
        origins: Origins,
        store: Path,
    ) -> tuple[Repository, ...]:
        if not request.asks_repositories:
            return ()
        return change_repositories(
            loaded,
            source.image,
            self.installed,
            source.architecture,
            store,
            origins,
            extra=overrides.rpm_sources,
            without_image=overrides.without_image_repositories,
        )

    def decide(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Sequence[Pin],
    ) -> tuple[Lock, Solution]:
        """A repository of the image that cannot be had says how to leave it out."""
        own = rpm_repositories(repositories)
        try:
            return locks.lock_change(subject, request, own, access, tools, self.installed.metadata)
        except DockyardError as error:
            raise DockyardError(*map(_with_way_out, error.problems)) from error

    def changes(self, lock: Lock, access: Access) -> tuple[PackageChange, ...]:
        # It loads the solver's library.
        from dockyard.packages.changes import changes_of_lock

        return changes_of_lock(lock, self.installed.metadata, access.cache)

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        own = rpm_repositories(repositories)
        return locks.refresh_missing(lock, own, access, self.installed.metadata)[0]


@dataclass(frozen=True, slots=True)
class ChangedDebs:
    """What `ChangeSystem` says, for Debian packages."""

    known: KnownDebs

    def repositories(
        self,
        loaded: LoadedImage,
        source: DiskSource,
        request: Request,
        overrides: Overrides,
        origins: Origins,
        store: Path,
    ) -> tuple[Repository, ...]:
        refuse_time(request)
        if not request.asks_repositories:
            return ()
        return deb_change_repositories(loaded, source, self.known, overrides, origins, store)

    def decide(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Sequence[Pin],
    ) -> tuple[Lock, Solution]:
        from dockyard.packages.deb.image_lock import lock_change

        own = deb_repositories(repositories)
        return lock_change(subject, request, own, access, tools, self.known.installed)

    def changes(self, lock: Lock, access: Access) -> tuple[PackageChange, ...]:
        return changes_of_debs(lock, self.known.installed)

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        """The lock as it is: what comes to a system with Debian packages is chosen together, so a
        package that is gone is told.
        """
        from dockyard.packages.deb.image_lock import require_listed

        require_listed(lock, deb_repositories(repositories), access, self.known.installed)
        return lock


def change_system_of(installed: InstalledFacts | KnownDebs) -> ChangeSystem:
    """The package system of an image whose facts are known."""
    return ChangedDebs(installed) if isinstance(installed, KnownDebs) else ChangedRpms(installed)


def _with_way_out(problem: Problem) -> Problem:
    of_image = ":/" in str(problem.where or "")
    if problem.code == "repository.unreachable" and of_image:
        return replace(problem, fix=f"check the network; {LEAVE_OUT}")
    return problem
