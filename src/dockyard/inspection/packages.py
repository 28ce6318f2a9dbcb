"""The packages of a tree, from the database of its package manager.

rpm: `rpmdb.sqlite`, see `rpm_sqlite`, or `Packages.db`, see `ndb`; dpkg: the paragraphs of
`status`, and of `status.d` in images without a package manager.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import total_ordering

from dockyard.errors import DockyardError, Problem
from dockyard.inspection import ndb, rpm_sqlite
from dockyard.inspection.tree import Tree
from dockyard.model.digits import number_in
from dockyard.model.family import databases
from dockyard.model.packages import PackageKind
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.rpm.header import MAGIC, Header, MalformedHeader, Tag, parse
from dockyard.packages.rpm.reader import evr_of

_SQLITE = "rpmdb.sqlite"
_NDB = "Packages.db"
_OLDER = "Packages"
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


@dataclass(frozen=True, slots=True)
class RpmDatabase:
    """The database of rpm. place: its directory. backend: its kind, as rpm calls it. file: the one
    with the headers of packages, each of which begins after the magic number.
    """

    place: str
    backend: str
    file: str
    headers: tuple[bytes, ...]

    def parsed(self, tags: frozenset[Tag]) -> Iterator[Header]:
        """Each package by these tags; keys of signatures are none. Raises DockyardError."""
        try:
            for data in self.headers:
                header, _ = parse(MAGIC + data, 0, tags | {Tag.NAME})
                if header.text(Tag.NAME) != _KEYS:
                    yield header
        except (MalformedHeader, TypeError, ValueError) as error:
            raise self.damaged(str(error)) from error

    def damaged(self, why: str) -> DockyardError:
        return _unreadable(self.file, f"it is damaged ({why})")


def rpm_database(tree: Tree) -> RpmDatabase | None:
    """The database of rpm in a tree; None where there is none. Raises DockyardError for one that
    cannot be read.
    """
    for place in databases(PackageKind.RPM):
        data = tree.whole(f"{place}/{_SQLITE}", _MOST)
        if data is not None:
            file = f"{place}/{_SQLITE}"
            return RpmDatabase(place, "sqlite", file, _of_sqlite(data, file, _wal(tree, place)))
        data = tree.whole(f"{place}/{_NDB}", _MOST)
        if data is not None:
            try:
                found = tuple(ndb.headers(data))
            except ndb.Damaged as error:
                raise _unreadable(f"{place}/{_NDB}", f"it is damaged ({error})") from error
            return RpmDatabase(place, "ndb", f"{place}/{_NDB}", found)
        if tree.entry(f"{place}/{_OLDER}"):
            raise _unreadable(f"{place}/{_OLDER}", "it is of the older kind Berkeley DB")
    return None


def installed(tree: Tree) -> PackageDatabase:
    """The packages of a tree. Raises DockyardError for a database that cannot be read."""
    if (database := rpm_database(tree)) is not None:
        listed = tuple(sorted(map(_of_header, database.parsed(_TAGS))))
        return PackageDatabase(PackageKind.RPM, database.place, listed)
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


def _of_sqlite(data: bytes, where: str, has_wal: bool) -> tuple[bytes, ...]:
    if has_wal:
        raise _unreadable(where, "its write-ahead log was not written back: the system was not "
                          "shut down in order")  # fmt: skip
    try:
        return rpm_sqlite.headers(data)
    except rpm_sqlite.Damaged as error:
        raise _unreadable(where, f"it is damaged ({error})") from error


def _of_header(header: Header) -> InstalledPackage:
    return InstalledPackage(
        header.text(Tag.NAME),
        evr_of(header),
        header.text(Tag.ARCH),
        header.number(Tag.SIZE),
        header.text(Tag.LICENSE),
    )


def _of_dpkg(text: str) -> list[InstalledPackage]:
    found = []
    for fields in paragraphs(text):
        status = fields.get("Status", "install ok installed").split()
        if status[-1:] != ["installed"] or "Package" not in fields:
            continue
        size = number_in(fields.get("Installed-Size", "0")) or 0
        found.append(
            InstalledPackage(
                fields["Package"],
                fields.get("Version", ""),
                fields.get("Architecture", ""),
                size * 1024,
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
