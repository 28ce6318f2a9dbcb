"""What changing the packages of a Debian system takes to know of it: what dpkg has installed, where
its apt gets packages from, and the keys that these must be signed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.inspection.tree import Tree
from dockyard.model.family import databases
from dockyard.model.packages import PackageKind
from dockyard.packages.deb.apt_sources import APT_DIRECTORY, sources_in

_APT = str(APT_DIRECTORY)
_PARTS = f"{_APT}/sources.list.d"
TRUSTED = f"{_APT}/trusted.gpg.d"
"""Where apt has the keys that count for entries that name none (apt-key(8))."""

_KEYRINGS = (TRUSTED, f"{_APT}/keyrings", "/usr/share/keyrings")
_MOST = 1 << 20  # bytes of a file of settings


@dataclass(frozen=True, slots=True)
class DebFacts:
    """place: of dpkg's database. status: its file of packages. sources: apt's files that say where
    packages come from; keys: files of keys; both by their paths.
    """

    place: str
    status: bytes
    sources: dict[str, bytes]
    keys: dict[str, bytes]


def deb_facts(tree: Tree) -> DebFacts | None:
    """The facts of a tree; None where dpkg has no database in it that it could write to."""
    for place in databases(PackageKind.DEB):
        status = tree.whole(f"{place}/status", 64 * _MOST)
        if status is not None and tree.entry("/usr/bin/dpkg"):
            sources = dict(_sources(tree))
            return DebFacts(place, status, sources, dict(_keys(tree, sources)))
    return None


def _sources(tree: Tree) -> Iterator[tuple[str, bytes]]:
    paths = [f"{_APT}/sources.list"]
    paths += [
        f"{_PARTS}/{name}" for name in tree.names(_PARTS) if name.endswith((".list", ".sources"))
    ]
    for path in paths:
        if (data := tree.whole(path, _MOST)) is not None:
            yield path, data


def _keys(tree: Tree, sources: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    paths = [f"{folder}/{name}" for folder in _KEYRINGS for name in tree.names(folder)]
    for path, data in sources.items():
        for source in sources_in(path, data.decode(errors="replace")):
            paths += [word for word in source.signed_by.split() if word.startswith("/")]
    for path in dict.fromkeys(paths):
        found = tree.whole(path, _MOST) if path.endswith((".gpg", ".asc", ".pgp")) else None
        if found is not None:
            yield path, found
