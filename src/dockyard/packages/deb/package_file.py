"""The file of a Debian package as settings look into it (see `packages.package_file`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dockyard.packages.deb.package import DebPackage
from dockyard.packages.deb.relations import relations
from dockyard.packages.deb.unpack import merged

_SCRIPTS = ("preinst", "postinst")


@dataclass(frozen=True, slots=True)
class DebPackageFile:
    """What `PackageFile` says, of a .deb file. Paths from before merged /usr are below /usr."""

    package: DebPackage

    def paths(self) -> Iterable[str]:
        return map(_in_image, self.package.paths())

    def listed(self) -> Iterable[str]:
        return map(_in_image, self.package.listed())

    def contents(
        self, wanted: Callable[[str], bool], *, listed: bool = False
    ) -> Iterator[tuple[str, bytes]]:
        if any(map(wanted, self.listed() if listed else self.paths())):
            for entry in self.package.entries():
                if wanted(path := _in_image(entry.path)):
                    yield path, entry.data

    def provides(self) -> Iterable[str]:
        field = self.package.control.get("Provides", "")
        return (each.name for alternatives in relations(field) for each in alternatives)

    def scripts(self) -> Iterable[str]:
        members = self.package.control_members
        return (members[name].decode(errors="replace") for name in _SCRIPTS if name in members)


def _in_image(path: str) -> str:
    return f"/{merged(path)}"
