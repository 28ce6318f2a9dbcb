"""An image made from nothing out of RPMs that the command line names: no distribution's file and no
lock stand beside its image file.

Its packages are chosen when it is planned, of what the sources have then. What distribution it
becomes, the command line says, or the release package among those that were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.distro.header import DistroHeader
from dockyard.errors import DockyardError, Problem
from dockyard.host.machine import architecture_or_default
from dockyard.model.architecture import Architecture
from dockyard.model.distro import Distro
from dockyard.model.family import FAMILIES, family_of
from dockyard.model.packages import Lock, PackageKind, Pin, RpmRepository
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.packages.request import image_request
from dockyard.packages.rpm.sources import image_repositories
from dockyard.pipeline.from_distro import wants_documents
from dockyard.pipeline.source import PackageSource

DISTROS = tuple(
    dict.fromkeys(id for each in FAMILIES if each.packaging.kind is PackageKind.RPM
                  for id in each.ids)
)  # fmt: skip
"""The distributions that an image can become, as os-release(5) names them (`ID`)."""

# What Image Customizer takes where nothing is said.
_DEFAULT = "azurelinux"
_VERSIONS = {"azurelinux": "3.0", "fedora": "42"}


@dataclass(frozen=True)
class Creation:
    """rpm_sources: directories of RPMs and .repo files. distro, version: as the command line says
    them; "" for what the packages say. access: to what the sources have. epoch: the time of what is
    made, in seconds; None for the newest that the sources say. when: a time after which packages
    are not seen, in place of the file's.
    """

    rpm_sources: tuple[Path, ...]
    access: Access
    distro: str = ""
    version: str = ""
    epoch: int | None = None
    when: str = ""

    @property
    def architecture(self) -> Architecture:
        return architecture_or_default()

    def source(self, loaded: LoadedImage, store: Path) -> PackageSource:
        """The packages of an image, chosen now. Raises DockyardError."""
        from dockyard.tools.trees import load_tools_lock

        expected = self._header(loaded, self.distro or _DEFAULT, self.version)
        repositories = image_repositories(
            expected.distro,
            loaded.directory,
            store,
            Origins(),
            extra=self.rpm_sources,
            without_distro=True,
        )
        request = image_request(loaded, expected.distro, self.when)
        tools = load_tools_lock().packages
        lock = locks.make_lock(loaded.name, request, repositories, self.access, tools)
        epoch = self.epoch or lock.newest_revision or self._newest(repositories)
        header = self._header(loaded, *self._become(loaded, lock), epoch)
        documents = wants_documents(header.distro, lock)
        return PackageSource(header, lock, loaded.path, repositories, self.access, documents)

    def _become(self, loaded: LoadedImage, lock: Lock) -> tuple[str, str]:
        """What the image is, as its release package says it. Raises DockyardError where that is not
        what was asked for.
        """
        pins = {pin.name: pin for pin in lock.packages}
        found = {id: pins[f"{id}-release"] for id in DISTROS if f"{id}-release" in pins}
        if self.distro:
            if found and self.distro not in found:
                raise DockyardError(
                    loaded.problem(
                        "os.packages",
                        "create.other-distro",
                        f"the packages are not those of {self.distro}",
                        why=f"{next(iter(found.values())).nevra} is among them",
                        fix=f"leave --distro out, or give --distro {next(iter(found))}",
                    )
                )
            return self.distro, self.version or self._version(self.distro, found)
        name = next(iter(found), _DEFAULT)
        return name, self.version or self._version(name, found)

    @staticmethod
    def _version(name: str, found: Mapping[str, Pin]) -> str:
        pin = found.get(name)
        said = pin.evr.rpartition(":")[2].partition("-")[0] if pin else ""
        return said or _VERSIONS.get(name, "")

    def _header(
        self, loaded: LoadedImage, name: str, version: str, epoch: int | None = None
    ) -> DistroHeader:
        known = version or _VERSIONS.get(name, "")
        made = Distro(name=name, version=known, architecture=self.architecture, epoch=epoch)
        if known and family_of(name, known) is None:
            what = f"{name} {known} is not a distribution that images are made of"
            fix = "name another version with --distro-version"
            raise DockyardError(Problem("create.unknown-version", what, fix=fix))
        return DistroHeader(loaded.path, made)

    def _newest(self, repositories: Sequence[RpmRepository]) -> int:
        """When the newest package of the sources was built, where their metadata say no time.
        Raises DockyardError (`create.no-time`) where no package says it, either.
        """
        from dockyard.packages.rpm.primary import published
        from dockyard.packages.rpm.repository import open_all

        opened = open_all(repositories, self.access)
        newest = max(
            (max(published(each.primary()).values(), default=0) for each in opened), default=0
        )
        if not newest:
            raise DockyardError(
                Problem(
                    "create.no-time",
                    "nothing says a time for what is made",
                    why="neither the metadata nor the packages of --rpm-source have one",
                    fix="set SOURCE_DATE_EPOCH, in seconds since 1970: `date +%s` prints the time",
                )
            )
        return newest
