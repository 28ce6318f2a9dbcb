"""Package systems: all that images made of packages ask of a package format, as one interface.

A package system reads repositories' metadata and verifies them by their keys, chooses packages and
pins them in a lock, and moves pins that nobody has any more. Two exist, `rpm.system` and
`deb.system`. What is the same for all formats (the text of a lock, whether a lock fits, blobs) is
beside this module and asks none of them.

What is asked once a lock names the packages (their files, and what is in these) is `pinned`. What
puts packages into a tree is made of steps: `pipeline.package_steps` has those of each format. Where
systems keep what, `model.family` says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dockyard.errors import Problem
from dockyard.model.distro import Distro
from dockyard.model.packages import Lock, PackageKind, Pin, Repository, Request

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.host.network import Network
    from dockyard.packages.access import Access
    from dockyard.packages.origins import Origins


class PackageSystem(Protocol):
    """A package format. Each function takes the repositories that `repositories` gave."""

    def refused(self, loaded: LoadedImage) -> Iterator[Problem]:
        """A problem for each key of an image file that packages of the format cannot honour."""
        ...

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
        """The repositories of an image, the distribution's first.

        directory: of distro.yaml. origins: where archives are that the distribution names. extra:
        what `--rpm-source` names. without: suites that are left out. Raises DockyardError with
        every problem.
        """
        ...

    def make_lock(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Iterable[Pin],
    ) -> Lock:
        """Choose the packages of a request from repositories as they are now, and pin them. Raises
        DockyardError with every problem.
        """
        ...

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        """The lock with the pins moved whose bytes nobody has any more; the same lock when all are
        to be had. Raises DockyardError.
        """
        ...

    def addresses(self, repository: Repository, network: Network) -> tuple[str, ...]:
        """The base addresses of a repository, each with a slash at the end."""
        ...


def system_of(kind: PackageKind) -> PackageSystem:
    """The package system of a format."""
    if kind is PackageKind.DEB:
        from dockyard.packages.deb.system import DebSystem

        return DebSystem()
    from dockyard.packages.rpm.system import RpmSystem

    return RpmSystem()
