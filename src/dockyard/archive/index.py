"""The index of an archive in a file: every entry, not the data.

Layout: `DYARCH3\\n`, then one zlib stream of: the number of entries; a table of distinct sets of
extended attributes; then one column per attribute. Numbers are little-endian; paths and targets are
ended by NUL, which neither can contain. Of the trees that have the data it keeps how many there are
and which of them has each file, not where they are: who loads it says that, so that equal archives
have equal indexes wherever they were made. Written by this module only, for this module only: it is
kept in the store, and made again when it cannot be read.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path

from dockyard.archive.archive import Archive, TreeSource
from dockyard.archive.entry import NANOSECONDS, Entry, Kind, Xattrs
from dockyard.errors import DockyardError, Problem

_MAGIC = b"DYARCH3\n"
_KINDS = tuple(Kind)
_NUMBER_OF = {kind: number for number, kind in enumerate(_KINDS)}
_COUNTS = struct.Struct("<QQQ")
_NO_DIGEST = bytes(32)
_NUMBERS = ("B", "H", "I", "I", "q", "I", "Q", "I", "I", "I", "H")


def save(archive: Archive, path: Path) -> None:
    """Write the index of an archive whose data are in trees: what one scan found, or what layers
    were merged over. The caller publishes the file, and remembers the trees in the order of
    `archive.sources`.
    """
    for source in archive.sources:
        if not isinstance(source, TreeSource):
            raise TypeError("only an archive of trees has an index")
    tables: dict[Xattrs, int] = {}
    entries = archive.entries
    columns = (
        [_NUMBER_OF[entry.kind] for entry in entries],
        [entry.mode for entry in entries],
        [entry.uid for entry in entries],
        [entry.gid for entry in entries],
        [entry.mtime_ns // NANOSECONDS for entry in entries],
        [entry.mtime_ns % NANOSECONDS for entry in entries],
        [entry.size for entry in entries],
        [entry.rdev[0] for entry in entries],
        [entry.rdev[1] for entry in entries],
        [tables.setdefault(entry.xattrs, len(tables)) for entry in entries],
        archive.source_of,
    )
    numbers = [array(code, column) for code, column in zip(_NUMBERS, columns, strict=True)]
    parts = [_COUNTS.pack(len(archive.entries), len(tables), len(archive.sources))]
    parts += [_xattrs(table) for table in tables]
    parts += [_little(column) for column in numbers]
    parts.append(b"".join(_digest(entry) for entry in archive.entries))
    parts.append(_text(entry.path for entry in archive.entries))
    parts.append(_text(entry.target for entry in archive.entries))
    path.write_bytes(_MAGIC + zlib.compress(b"".join(parts), 1))


def load(path: Path, roots: Sequence[Path]) -> Archive:
    """Read an index. roots: where its trees are now, in the order in which they were saved.

    Raises DockyardError `archive.index-broken` when the file is not an index of this version.
    """
    try:
        raw = path.read_bytes()
        if not raw.startswith(_MAGIC):
            raise ValueError("it does not begin as one")
        return _parse(zlib.decompress(raw[len(_MAGIC) :]), roots)
    except (ValueError, IndexError, struct.error, zlib.error) as error:
        raise DockyardError(
            Problem(
                code="archive.index-broken",
                what="the index of a tree could not be read",
                where=str(path),
                why=str(error),
                fix="remove it; the next build makes it again",
            )
        ) from error


def _parse(data: bytes, roots: Sequence[Path]) -> Archive:
    reader = _Reader(data)
    count, tables, trees = _COUNTS.unpack(reader.take(_COUNTS.size))
    xattrs = [reader.xattrs() for _ in range(tables)]
    numbers = [reader.column(code, count) for code in _NUMBERS]
    kinds, modes, uids, gids, seconds, fractions, sizes, majors, minors, shared, source_of = numbers
    times = [
        second * NANOSECONDS + fraction for second, fraction in zip(seconds, fractions, strict=True)
    ]
    raw = reader.take(32 * count).hex()
    none = _NO_DIGEST.hex()
    digests = [
        None if (digest := raw[at : at + 64]) == none else digest for at in range(0, len(raw), 64)
    ]
    paths = reader.texts(count)
    targets = reader.texts(count)
    devices = (
        zip(majors, minors, strict=True) if any(majors) or any(minors) else repeat((0, 0), count)
    )
    entries = list(
        map(
            Entry, paths, map(_KINDS.__getitem__, kinds), modes, uids, gids, times, sizes, digests,
            targets, devices, map(xattrs.__getitem__, shared),
        )
    )  # fmt: skip
    if reader.at != len(data):
        raise ValueError("it does not fit together")
    if len(roots) != trees:
        raise ValueError(f"it is of {trees} trees, and {len(roots)} are given")
    return Archive(entries, [TreeSource(root) for root in roots], source_of)


class _Reader:
    """Takes the parts of an index in their order."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise ValueError("it is cut short")
        self.at += size
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def texts(self, count: int) -> list[bytes]:
        pieces = self.take(self.number()).split(b"\0")
        if len(pieces) != count + 1:
            raise ValueError("it has the wrong number of names")
        return pieces[:-1]

    def column(self, code: str, count: int) -> array[int]:
        column = array(code)
        column.frombytes(self.take(column.itemsize * count))
        if sys.byteorder == "big":
            column.byteswap()
        return column

    def xattrs(self) -> Xattrs:
        return tuple(
            (self.take(self.number()), self.take(self.number())) for _ in range(self.number())
        )


def _text(texts: Iterable[bytes]) -> bytes:
    joined = b"".join(text + b"\0" for text in texts)
    return len(joined).to_bytes(4, "little") + joined


def _xattrs(table: Xattrs) -> bytes:
    parts = [len(table).to_bytes(4, "little")]
    for pair in table:
        for value in pair:
            parts += [len(value).to_bytes(4, "little"), value]
    return b"".join(parts)


def _digest(entry: Entry) -> bytes:
    return bytes.fromhex(entry.digest) if entry.digest else _NO_DIGEST


def _little(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return column.tobytes()
