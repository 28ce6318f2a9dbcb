"""The file of a Debian package as settings look into it (see `packages.package_file`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.packages.deb.package import read_deb
from dockyard.packages.deb.relations import relations
from dockyard.packages.deb.unpack import merged

_SCRIPTS = ("preinst", "postinst")


@dataclass(frozen=True, slots=True)
class DebPackageFile:
    """What `PackageFile` says, of a .deb file. Paths from before merged /usr are below /usr."""

    path: Path

    def paths(self) -> Iterable[str]:
        return (f"/{merged(path)}" for path in read_deb(self.path).paths())

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        package = read_deb(self.path)
        if any(wanted(f"/{merged(path)}") for path in package.paths()):
            for entry in package.entries():
                if wanted(path := f"/{merged(entry.path)}"):
                    yield path, entry.data

    def provides(self) -> Iterable[str]:
        field = read_deb(self.path).control.get("Provides", "")
        return (each.name for alternatives in relations(field) for each in alternatives)

    def scripts(self) -> Iterable[str]:
        members = read_deb(self.path).control_members
        return (members[name].decode(errors="replace") for name in _SCRIPTS if name in members)
