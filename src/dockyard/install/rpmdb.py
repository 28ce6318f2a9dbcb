"""The rpm database of a tree in canonical form: files that depend on the packages alone.

rpm numbers headers in the order of installation and notes when each was installed, so two ways to
the same set of packages give different bytes; `--rebuilddb` keeps that order. Here all headers are
exported (rpmdb(8), `--exportdb`: a sequence of headers as in rpm-format(5)), given one time of
installation, sorted, and imported into an empty database, which is then taken out of WAL mode: in
that mode it could not be opened on a read-only root.

Only programs of the tools tree touch the database: the file holds the version of the SQLite that
wrote it.

Two kinds of database are known: that of SQLite, which all distributions of today have, and ndb,
a format of rpm's own (rpm's docs, lib/backend/ndb). In one that was there before, headers of
packages that were there before keep their times.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import Tools
from dockyard.install.compose import Unsuited, require_suited
from dockyard.install.database_header import completed
from dockyard.install.file_states import TAGS, HeaderFiles
from dockyard.install.unpack import HEADER
from dockyard.packages.rpm.header import Tag, parse

NAME = "rpmdb.sqlite"
_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_INTRO = struct.Struct(">8sII")
_ENTRY = struct.Struct(">IIII")
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INSTALL_TIME, _INSTALL_TID = 1008, 1128
_FOR_STATES = frozenset((*TAGS, Tag.FILECOLORS))

# $1: the tree. $2: the database's directory in it. $3: its kind. The rest: its files. Both steps
# run where nothing of the host but the tree can be reached, whatever links the tree has.
_IMPORT = """
set -eu
umask 022
cd "$1/$2"
kind=$3
shift 3
rm -rf .canonical
mkdir .canonical
rpmdb --define "_db_backend $kind" --dbpath "$PWD/.canonical" --importdb
if [ "$kind" = sqlite ]; then
    sqlite3 .canonical/rpmdb.sqlite 'PRAGMA journal_mode=DELETE' > /dev/null
fi
for name; do
    chmod 0644 ".canonical/$name"
    mv -f ".canonical/$name" "$name"
done
rm -rf .canonical rpmdb.sqlite-wal rpmdb.sqlite-shm .rpm.lock
"""


# The same into a directory of the caller's, from nothing. $1: the directory.
_MAKE = """
set -eu
umask 022
cd "$1"
rpmdb --dbpath "$PWD" --importdb
sqlite3 rpmdb.sqlite 'PRAGMA journal_mode=DELETE' > /dev/null
chmod 0644 rpmdb.sqlite
rm -f rpmdb.sqlite-wal rpmdb.sqlite-shm .rpm.lock
"""


class Backend(StrEnum):
    """The kinds of databases that can be written."""

    SQLITE = "sqlite"
    NDB = "ndb"

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files; the first is there wherever the kind is."""
        return (NAME,) if self is Backend.SQLITE else ("Packages.db", "Index.db")

    @property
    def option(self) -> tuple[str, ...]:
        """What tells rpm's programs of it."""
        return ("--define", f"_db_backend {self}")


Installed = tuple[bytes, ...]
"""A package of a database: its name, epoch, version, release, architecture, and when it was put
there."""


@dataclass(frozen=True, slots=True)
class _Header:
    """key: what it is sorted by. since: the package, and when it was put into the database."""

    data: bytearray
    key: tuple[bytes, ...]
    since: Installed


def installed(
    root: Path, tools: Tools, epoch: int, dbpath: str, backend: Backend = Backend.SQLITE
) -> frozenset[Installed]:
    """The packages of the tree's database. epoch, dbpath: as in `canonicalise`."""
    data = _exported(root, tools, epoch, dbpath, backend)
    return frozenset(header.since for header in _headers(data, epoch, None))


def headers(
    root: Path, tools: Tools, epoch: int, dbpath: str, backend: Backend = Backend.SQLITE
) -> list[bytes]:
    """The headers of the tree's database, as it exports them."""
    data = _exported(root, tools, epoch, dbpath, backend)
    return [bytes(header.data) for header in _headers(data, epoch, None)]


def canonicalise(
    root: Path,
    tools: Tools,
    epoch: int,
    dbpath: str,
    backend: Backend = Backend.SQLITE,
    *,
    before: Collection[Installed] = (),
    without: str = "",
) -> frozenset[Installed]:
    """Rewrite the tree's rpm database in canonical form, and return what it has.

    epoch: seconds, noted as the time of installation of every package but those that were there
    before. dbpath: the database's directory in the tree (`%_dbpath` of the distribution). without:
    the name of a package that is left out. Raises DockyardError.
    """
    with InRoot(root) as inside:
        place = inside.directory(dbpath)  # where rpm has it, whatever links of the tree lead there
    data = _exported(root, tools, epoch, dbpath, backend)
    headers = [e for e in _headers(data, epoch, before) if e.since[0] != without.encode()]
    headers.sort(key=lambda header: header.key)
    tools.run(
        ["sh", "-c", _IMPORT, "sh", str(root), place, backend, *backend.files],
        write=[root],
        stdin=b"".join(bytes(header.data) for header in headers),
        env={"SOURCE_DATE_EPOCH": str(epoch)},
        reads=root / place / backend.files[0],
    )
    return frozenset(header.since for header in headers)


def _exported(root: Path, tools: Tools, epoch: int, dbpath: str, backend: Backend) -> bytes:
    with InRoot(root) as inside:
        place = inside.directory(dbpath)
    argv = ["rpmdb", *backend.option, "--root", str(root), "--dbpath", f"/{place}", "--exportdb"]
    env = {"SOURCE_DATE_EPOCH": str(epoch)}
    return tools.run(argv, write=[root], env=env, reads=root / place / backend.files[0]).stdout


def make(packages: Sequence[Path], out: Path, tools: Tools, epoch: int, *, documents: bool) -> None:
    """Make the database of packages as they are when rpm has installed them, in canonical form.

    packages: results of `unpack_package`. out: an empty directory, which gets `rpmdb.sqlite`.
    epoch: seconds. documents: whether documents are installed. Raises DockyardError, and
    `Unsuited` for packages that rpm must install, or with files that it would leave out for their
    colour.
    """
    require_suited(packages)
    # Which colours of files may be installed is a matter of rpm's settings for the architecture.
    asked = tools.run(["rpm", "--eval", "%{?_transaction_color}"])
    color = int(asked.text.strip() or 0)
    headers = []
    for place in packages:
        blob = (place / HEADER).read_bytes()
        header, _ = parse(blob, 0, _FOR_STATES)
        if any(color and each and not each & color for each in header.numbers(Tag.FILECOLORS)):
            raise Unsuited(f"{place.name} has files that are left out for their colour")
        states = HeaderFiles.of(header).states(documents)
        blob = completed(blob, states, epoch, color)
        headers.append(_header(bytearray(blob), epoch, ()))
    headers.sort(key=lambda header: header.key)
    tools.run(
        ["sh", "-c", _MAKE, "sh", str(out)],
        write=[out],
        stdin=b"".join(bytes(header.data) for header in headers),
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )


def _headers(data: bytes, epoch: int, before: Collection[Installed] | None) -> Iterator[_Header]:
    """The headers of an export, with times of installation set but for packages that were there
    before; None: for all.
    """
    position = 0
    while position < len(data):
        if len(data) - position < _INTRO.size:
            raise _malformed()
        magic, number, size = _INTRO.unpack_from(data, position)
        end = position + _INTRO.size + number * _ENTRY.size + size
        if magic != _MAGIC or end > len(data):
            raise _malformed()
        yield _header(bytearray(data[position:end]), epoch, before)
        position = end


def _header(data: bytearray, epoch: int, before: Collection[Installed] | None) -> _Header:
    _, number, _ = _INTRO.unpack_from(data)
    store = _INTRO.size + number * _ENTRY.size
    found: dict[int, int] = {}
    for index in range(number):
        tag, _, where, _ = _ENTRY.unpack_from(data, _INTRO.size + index * _ENTRY.size)
        # An entry of the dribble behind the immutable region comes last and counts.
        found[tag] = store + where

    def text(tag: int) -> bytes:
        where = found.get(tag)
        return bytes(data[where : data.index(0, where)]) if where is not None else b""

    epoch_number = struct.unpack_from(">I", data, found[_EPOCH])[0] if _EPOCH in found else 0
    identity = (text(_NAME), b"%010d" % epoch_number, text(_VERSION), text(_RELEASE), text(_ARCH))
    at = found.get(_INSTALL_TIME)
    since = (*identity, bytes(data[at : at + 4]) if at is not None else b"")
    if before is not None and since not in before:
        for tag in (_INSTALL_TIME, _INSTALL_TID):
            # Both stand outside of the immutable region: digest and signature stay good.
            if tag in found:
                struct.pack_into(">I", data, found[tag], epoch)
    return _Header(data, (*identity, bytes(data)), since)


def _malformed() -> DockyardError:
    return DockyardError(
        Problem(
            "tree.rpmdb-malformed",
            "the rpm database cannot be read back as a sequence of headers",
            fix="see that the image's packages were made by rpm 4.16 or newer",
        )
    )
