"""What dpkg's database in a tree says: which packages are installed, and whose each file is.

`status` has a paragraph per package, `info/PACKAGE[:ARCHITECTURE].list` the paths of each,
`diversions` three lines for each file that a package moved aside (dpkg(1), dpkg-divert(1)).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.host.in_root import InRoot
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.deb.unpack import MERGED, merged

INSTALLED = "install ok installed"


@dataclass(frozen=True, slots=True)
class DebStatus:
    """A package as dpkg knows it. status: what is wanted, flags and state, as dpkg writes them."""

    name: str
    version: str
    architecture: str
    status: str

    @property
    def label(self) -> str:
        """`name_version_arch`, as locks have it."""
        return f"{self.name}_{self.version}_{self.architecture}"


def known_packages(root: Path, database: str) -> list[DebStatus]:
    """Every package that dpkg knows in a tree, sorted by name; none where it has no database."""
    with InRoot(root) as files:
        text = files.read_text(f"{database}/status")
    found = [
        DebStatus(
            fields["Package"],
            fields.get("Version", ""),
            fields.get("Architecture", ""),
            fields.get("Status", ""),
        )
        for fields in paragraphs(text)
        if "Package" in fields
    ]
    return sorted(found, key=lambda each: (each.name, each.architecture))


def file_owners(root: Path, database: str) -> dict[bytes, str]:
    """Which package every installed path belongs to, by paths relative to the root.

    A path of several packages, which only directories are, goes to the first by name.
    """
    labels = {}
    for each in known_packages(root, database):
        labels[each.name] = labels[f"{each.name}:{each.architecture}"] = each.label
    owners: dict[bytes, str] = {}
    with InRoot(root) as files:
        diverted = dict(_diversions(files.read_text(f"{database}/diversions")))
        for name in files.names(f"{database}/info"):
            package, dot, kind = name.rpartition(".")
            if not dot or kind != "list" or package not in labels:
                continue
            for line in (
                files.read(f"{database}/info/{name}").decode(errors="surrogateescape").splitlines()
            ):
                to, by = diverted.get(line, (line, ""))
                own = by == package.partition(":")[0]
                path = (line if own else to).lstrip("/")
                if path not in MERGED:  # the links themselves
                    path = merged(path)
                if path not in ("", "."):
                    owners.setdefault(os.fsencode(path), labels[package])
    return owners


def _diversions(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """(path, (where others have it, the package that has it there))."""
    lines = text.splitlines()
    for path, to, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        yield path, (to, by)
