"""The file of an RPM package as settings look into it (see `packages.package_file`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.packages.rpm.header import Tag
from dockyard.packages.rpm.reader import read_package

_SCRIPTLETS = (Tag.PREIN, Tag.POSTIN, Tag.PRETRANS, Tag.POSTTRANS)


@dataclass(frozen=True, slots=True)
class RpmPackageFile:
    """What `PackageFile` says, of an RPM."""

    path: Path

    def paths(self) -> Iterable[str]:
        return (each.path for each in read_package(self.path).files())

    def listed(self) -> Iterable[str]:
        return self.paths()

    def contents(
        self, wanted: Callable[[str], bool], *, listed: bool = False
    ) -> Iterator[tuple[str, bytes]]:
        package = read_package(self.path)
        if any(wanted(each.path) for each in package.files()):
            for path, _, data in package.entries():
                if wanted(path):
                    yield path, data

    def provides(self) -> Iterable[str]:
        return (each.name for each in read_package(self.path).relations("provides"))

    def scripts(self) -> Iterable[str]:
        header = read_package(self.path).header
        return (header.text(tag) for tag in _SCRIPTLETS)
