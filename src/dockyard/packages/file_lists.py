"""Which files the packages of a lock bring, known before any of them is installed: from the headers
of packages that are here already, fetched or in a repository that is a directory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dockyard.model.packages import PackageKind, Pin, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.package_file import PackageFile


@dataclass(frozen=True)
class FileLists:
    """What files packages bring. packages: their own files, to look into."""

    packages: tuple[PackageFile, ...] = ()

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path of the packages."""
        return frozenset(path for package in self.packages for path in package.paths())

    @cached_property
    def listed(self) -> frozenset[str]:
        """Those that are told without a look at the packages' data: quick, and maybe not all."""
        return frozenset(path for package in self.packages for path in package.listed())

    def has_any(self, wanted: Collection[str]) -> bool:
        """Whether any of some paths is there. Packages that list others in the same directories are
        looked into first, and those with few files before those with many.
        """
        if not self.listed.isdisjoint(wanted):
            return True
        folders = {path.rpartition("/")[0] for path in wanted}

        def distance(package: PackageFile) -> tuple[bool, int]:
            listed = [path.rpartition("/")[0] for path in package.listed()]
            return folders.isdisjoint(listed), len(listed)

        ordered = sorted(self.packages, key=distance)
        return any(path in wanted for package in ordered for path in package.paths())


def file_lists(
    pins: Sequence[Pin], repositories: Sequence[RpmRepository], access: Access
) -> FileLists | None:
    """The files of pinned RPM packages; None while one of them is still to be fetched, since a
    build that has nothing to do asks no server.
    """
    from dockyard.packages.rpm.package_file import RpmPackageFile

    found = [_local(pin, repositories, access) for pin in pins if pin.kind is PackageKind.RPM]
    packages = tuple(RpmPackageFile(path) for path in found if path)
    if len(packages) < len(found):
        return None
    return FileLists(packages)


def _local(pin: Pin, repositories: Sequence[RpmRepository], access: Access) -> Path | None:
    from dockyard.packages.content_pins import local_file
    from dockyard.packages.rpm.mirrors import base

    if pin.digest:
        path = access.blobs.path(pin.digest)
        return path if path.is_file() else None
    own = [each for each in repositories if each.id == pin.repository]
    return local_file(pin.path, [base(url) for each in own for url in each.base_urls])
