"""Which files the packages of a lock bring, known before any of them is installed: from the headers
of packages that are here already, fetched or in a repository that is a directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.model.packages import PackageKind, Pin, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.package_file import PackageFile


@dataclass(frozen=True, slots=True)
class FileLists:
    """paths: every path of the packages. packages: the packages' own files, to look into."""

    paths: frozenset[str]
    packages: tuple[PackageFile, ...]


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
    paths = (path for package in packages for path in package.paths())
    return FileLists(frozenset(paths), packages)


def _local(pin: Pin, repositories: Sequence[RpmRepository], access: Access) -> Path | None:
    from dockyard.packages.content_pins import local_file
    from dockyard.packages.rpm.mirrors import base

    if pin.digest:
        path = access.blobs.path(pin.digest)
        return path if path.is_file() else None
    own = [each for each in repositories if each.id == pin.repository]
    return local_file(pin.path, [base(url) for each in own for url in each.base_urls])
