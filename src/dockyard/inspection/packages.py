"""The packages of a tree, from the database of its package manager.

rpm: `rpmdb.sqlite`, whose table Packages has each package's header (rpm's docs/manual); dpkg: the
paragraphs of `status`, and of `status.d` in images without a package manager.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import total_ordering

from dockyard.errors import DockyardError, Problem
from dockyard.inspection.tree import Tree
from dockyard.model.family import databases
from dockyard.model.packages import PackageKind
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.rpm.header import MAGIC, MalformedHeader, Tag, parse

_SQLITE = "rpmdb.sqlite"
_OLDER = {"Packages": "Berkeley DB", "Packages.db": "ndb"}
_TAGS = frozenset((Tag.NAME, Tag.EPOCH, Tag.VERSION, Tag.RELEASE, Tag.ARCH, Tag.SIZE, Tag.LICENSE))
_MOST = 1 << 30  # bytes of a database
_KEYS = "gpg-pubkey"


@total_ordering
@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package that is installed. version: of rpm `[epoch:]version-release`. size: bytes."""

    name: str
    version: str
    architecture: str
    size: int = 0
    license: str = ""

    def __lt__(self, other: InstalledPackage) -> bool:
        return (self.name, self.version, self.architecture) < (
            other.name,
            other.version,
            other.architecture,
        )


@dataclass(frozen=True, slots=True)
class PackageDatabase:
    """kind: None where there is no database. place: the directory of it."""

    kind: PackageKind | None
    place: str
    packages: tuple[InstalledPackage, ...]


def installed(tree: Tree) -> PackageDatabase:
    """The packages of a tree. Raises DockyardError for a database that cannot be read."""
    for place in databases(PackageKind.RPM):
        data = tree.whole(f"{place}/{_SQLITE}", _MOST)
        if data is not None:
            found = _of_rpm(data, f"{place}/{_SQLITE}", _wal(tree, place))
            return PackageDatabase(PackageKind.RPM, place, tuple(sorted(found)))
        for name, kind in _OLDER.items():
            if tree.entry(f"{place}/{name}"):
                raise _unreadable(f"{place}/{name}", f"it is of the older kind {kind}")
    for place in databases(PackageKind.DEB):
        below = f"{place}/status.d"
        if tree.entry(f"{place}/status") or tree.entry(below):
            texts = [tree.text(f"{place}/status") or ""]
            texts += [
                tree.text(f"{below}/{name}") or ""
                for name in tree.names(below)
                if not name.endswith(".md5sums")
            ]
            listed = tuple(sorted(_of_dpkg("\n\n".join(texts))))
            return PackageDatabase(PackageKind.DEB, place, listed)
    return PackageDatabase(None, "", ())


def _wal(tree: Tree, place: str) -> bool:
    entry = tree.entry(f"{place}/{_SQLITE}-wal")
    return entry is not None and entry.size > 0


def _of_rpm(data: bytes, where: str, has_wal: bool) -> list[InstalledPackage]:
    if has_wal:
        raise _unreadable(where, "its write-ahead log was not written back: the system was not "
                          "shut down in order")  # fmt: skip
    found = []
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            # A database that was kept in WAL mode cannot be opened from memory.
            database.deserialize(data[:18] + b"\1\1" + data[20:])
            for (blob,) in database.execute("SELECT blob FROM Packages"):
                header, _ = parse(MAGIC + blob, 0, _TAGS)
                name = header.text(Tag.NAME)
                if name == _KEYS:
                    continue
                epoch = header.numbers(Tag.EPOCH)
                version = f"{header.text(Tag.VERSION)}-{header.text(Tag.RELEASE)}"
                found.append(
                    InstalledPackage(
                        name,
                        f"{epoch[0]}:{version}" if epoch and epoch[0] else version,
                        header.text(Tag.ARCH),
                        sum(header.numbers(Tag.SIZE)[:1]),
                        header.text(Tag.LICENSE),
                    )
                )
    except (sqlite3.Error, MalformedHeader, TypeError, ValueError) as error:
        raise _unreadable(where, f"it is damaged ({error})") from error
    return found


def _of_dpkg(text: str) -> list[InstalledPackage]:
    found = []
    for fields in paragraphs(text):
        status = fields.get("Status", "install ok installed").split()
        if status[-1:] != ["installed"] or "Package" not in fields:
            continue
        size = fields.get("Installed-Size", "0")
        found.append(
            InstalledPackage(
                fields["Package"],
                fields.get("Version", ""),
                fields.get("Architecture", ""),
                int(size) * 1024 if size.isdecimal() else 0,
            )
        )
    return found


def _unreadable(where: str, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            "image.package-database",
            "the image's database of packages cannot be read",
            where,
            why,
            "boot the image once, run `rpm --rebuilddb`, and shut it down",
        )
    )
