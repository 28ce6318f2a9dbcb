"""The package system deb: suites of Debian archives, solved as apt would (see `packages.system`).

The packages of an image are what it asks for, with what these depend on, and the base that its
distribution says: the essential packages, and those of a priority. Recommended packages are never
taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import Position, Problem, Problems
from dockyard.model.distro import Distro
from dockyard.model.packages import DebRepository, Lock, Pin, Repository, Request
from dockyard.packages.deb.repository import deb_repositories
from dockyard.packages.deb.suite import Suite

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.host.network import Network
    from dockyard.packages.access import Access
    from dockyard.packages.origins import Origins


class DebSystem:
    """What `packages.system.PackageSystem` says, for Debian packages."""

    def refused(self, loaded: LoadedImage) -> Iterator[Problem]:
        packages = loaded.image.os.packages
        if packages.snapshot_time:
            yield loaded.problem(
                "os.packages.snapshotTime",
                "build.no-snapshot-time",
                "Debian packages cannot be chosen as of a time",
                why="the metadata of an archive do not say since when it has a package",
                fix="remove `snapshotTime`, and name an archive as it was then: with "
                "--debian-mirror, or with `baseurl` in a distro.yaml",
            )
        if packages.modules:
            yield loaded.problem(
                "os.packages.modules",
                "build.no-modules",
                "Debian packages are in no modules",
                fix="remove `modules`",
            )
        if packages.remove_package_manager:
            yield loaded.problem(
                "os.packages.removePackageManager",
                "build.manager-stays",
                "the package manager is not removed from images of Debian packages",
                why="dpkg is essential: scripts of other packages call it",
                fix="remove `removePackageManager`; `remove: [apt]` leaves apt out",
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
        """Raises DockyardError: `repository.not-rpm`, `debian.no-such-key`."""
        problems = Problems()
        for path in extra:
            problems.add(
                "repository.not-rpm",
                f"--rpm-source {path} is not for {distro.name}, whose packages are Debian packages",
                fix="leave it out; another archive is a suite with a `baseurl` of a distro.yaml",
            )
        found = tuple(_declared(distro, directory, origins, without))
        for key in sorted({key for each in found for key in each.keys if not Path(key).is_file()}):
            what = f"there is no file of keys {key}"
            problems.add("debian.no-such-key", what, Position(str(directory / "distro.yaml")))
        problems.raise_any()
        return found

    def make_lock(
        self,
        subject: str,
        request: Request,
        repositories: Sequence[Repository],
        access: Access,
        tools: Iterable[Pin],
    ) -> Lock:
        from dockyard.packages.deb import image_lock

        own = deb_repositories(repositories)
        return image_lock.make_lock(subject, request, own, access, tools)

    def refresh_missing(
        self, lock: Lock, repositories: Sequence[Repository], access: Access
    ) -> Lock:
        from dockyard.packages.deb import image_lock

        return image_lock.refresh_missing(lock, deb_repositories(repositories), access)

    def addresses(self, repository: Repository, network: Network) -> tuple[str, ...]:
        (own,) = deb_repositories([repository])
        return tuple(f"{base}/" for base in own.base_urls)


def _declared(
    distro: Distro, directory: Path, origins: Origins, without: Collection[str]
) -> Iterable[DebRepository]:
    """The repositories of a distribution, in its order; relative paths are below its directory."""
    archive = distro.archive
    assert archive is not None
    position = Position(str(directory / "distro.yaml"))
    keys = tuple(str(directory.absolute() / key) for key in archive.keys)
    for suite in archive.suites:
        if suite.name in without:
            continue
        bases = [_address(text, directory) for text in suite.baseurl]
        bases = bases or list(origins.archive(suite.of_archive))
        for component in suite.components:
            named = Suite(suite.name, component, distro.architecture, distro.name)
            yield DebRepository(
                named.id,
                suite.name,
                component,
                distro.architecture,
                tuple(bases),
                keys,
                tuple(sorted(archive.signed_by)),
                suite.of_archive,
                position,
            )


def _address(text: str, directory: Path) -> str:
    if "://" in text:
        return text.rstrip("/")
    return (directory.absolute() / text).as_uri().rstrip("/")
