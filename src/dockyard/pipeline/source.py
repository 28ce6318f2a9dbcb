"""Where the root of an image comes from. What depends on that is told here; settings, layout and
outputs need not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.distro.header import DistroHeader
from dockyard.errors import DockyardError, Problem
from dockyard.model.architecture import Architecture
from dockyard.model.family import Family
from dockyard.model.packages import Lock, PackageKind, Pin, Repository
from dockyard.packages.access import Access


@dataclass(frozen=True)
class PackageSource:
    """Packages that a lock pins, of a distribution. documents: also what packages mark as
    documentation.
    """

    distro: DistroHeader
    lock: Lock
    lock_file: Path
    repositories: tuple[Repository, ...]
    access: Access
    documents: bool

    @property
    def kind(self) -> PackageKind:
        """The format of its packages."""
        return self.family.packaging.kind

    @property
    def epoch(self) -> int:
        return image_epoch(self.distro, self.lock)

    @property
    def architecture(self) -> Architecture:
        return self.distro.distro.architecture

    @property
    def family(self) -> Family:
        return self.distro.distro.of_family

    @property
    def tools(self) -> tuple[Pin, ...]:
        return self.lock.tools

    @property
    def pins(self) -> tuple[Pin, ...]:
        """All that it needs of the downloads that the store has."""
        return (*self.lock.packages, *self.lock.tools)

    @property
    def package_count(self) -> int:
        return len(self.lock.packages)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the user's that it is."""
        return (self.lock_file,)


def image_epoch(distro: DistroHeader, lock: Lock) -> int:
    """The time of an image: of its distribution, else the newest of the repositories' metadata.

    Raises DockyardError (`build.no-epoch`) when neither says one.
    """
    epoch = distro.distro.epoch if distro.distro.epoch is not None else lock.newest_revision
    if epoch is None:
        raise DockyardError(
            Problem(
                "build.no-epoch",
                f"the distribution {distro.distro.name} says no time for what is made of it",
                str(distro.file),
                why="it has no `epoch`, and the metadata of none of its repositories says a time",
                fix="add `epoch`, in seconds since 1970: `date +%s` prints the current time",
            )
        )
    return epoch
