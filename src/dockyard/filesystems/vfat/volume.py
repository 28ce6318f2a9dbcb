"""Reads the structures of FAT12, FAT16 and FAT32 (Microsoft's FAT specification, 2000).

Where programs differ from the specification, Linux decides (fs/fat): FAT32 is what has no length of
a table in the old place, however few its clusters are; a long name whose checksum is not that
of the short one does not count; short names are in code page 437.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import PIECE

_ENTRY = struct.Struct("<11sBBBHHHHHHHI")
_DIRECTORY, _VOLUME_LABEL, _LONG_NAME = 0x10, 0x08, 0x0F
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10
_LAST_PART, _MOST_PARTS = 0x40, 20
_DOTS = (b".".ljust(11), b"..".ljust(11))
_ENDS = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}
_MOST_12 = 4084
_ONE_TABLE = 0x80
_LARGEST_DIRECTORY = 65536 * 32


@dataclass(frozen=True, slots=True)
class File:
    """What a directory says of a file or directory in it."""

    name: bytes
    is_directory: bool
    cluster: int
    size: int
    mtime_ns: int


ROOT = File(b"", True, 0, 0, 0)


class Volume(MappedImage):
    """An image of FAT."""

    kind = "FAT"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        if len(self.data) < 512 or self.data[510:512] != b"\x55\xaa":
            raise self.broken("it has no boot sector")
        sector, per_cluster, reserved, tables, roots, small = struct.unpack_from(
            "<HBHBHH", self.data, 11
        )
        (table_size,) = struct.unpack_from("<H", self.data, 22)
        large, table_size_32, flags = struct.unpack_from("<IIH", self.data, 32)
        if (
            sector not in (512, 1024, 2048, 4096)
            or per_cluster.bit_count() != 1
            or not tables
            or not reserved
        ):
            raise self.broken("its boot sector is not one of FAT")
        is_32 = not table_size
        table_size = table_size or table_size_32
        self.sector_size: int = sector
        self.cluster_size = sector * per_cluster
        self._root_at = (reserved + tables * table_size) * sector
        self._root_size = roots * 32
        self._clusters_at = self._root_at + -(-self._root_size // sector) * sector
        space = (small or large) * sector - self._clusters_at
        self._clusters = min(space // self.cluster_size, table_size * sector * 8 // 12 - 2)
        if self._clusters < 1:
            raise self.broken("its boot sector is not one of FAT")
        self.bits = 32 if is_32 else 12 if self._clusters <= _MOST_12 else 16
        self.root = struct.unpack_from("<I", self.data, 44)[0] if is_32 else 0
        if is_32 and not self.root:
            raise self.broken("it has no root directory")
        active = flags & 15 if is_32 and flags & _ONE_TABLE else 0
        self._take_table((reserved + active * table_size) * sector, table_size * sector)
        self.volume_id: int = struct.unpack_from("<I", self.data, 67 if is_32 else 39)[0]

    def _take_table(self, at: int, size: int) -> None:
        needed = -(-(self._clusters + 2) * self.bits // 8)
        if size < needed and self.bits != 12:
            self._clusters = size * 8 // self.bits - 2
            needed = size
        self._bytes = self.bytes_at(at, min(needed + 1, size) if self.bits == 12 else needed)
        self._table: array[int] | None = None
        if self.bits != 12:
            self._table = array("H" if self.bits == 16 else "I")
            self._table.frombytes(self._bytes[: len(self._bytes) // 4 * 4])

    def _next(self, cluster: int) -> int:
        if self._table is not None:
            return self._table[cluster] & 0x0FFFFFFF
        pair: int = struct.unpack_from("<H", self._bytes, cluster * 3 // 2)[0]
        return pair >> 4 if cluster & 1 else pair & 0xFFF

    def _runs(self, cluster: int, most: int) -> Iterator[tuple[int, int]]:
        """Where up to `most` bytes of a chain of clusters lie: places, each with a length."""
        left, step = most, self.cluster_size
        end = _ENDS[self.bits]
        while left > 0 and cluster < end:
            first = cluster
            length = 0
            while True:
                if not 2 <= cluster < self._clusters + 2:
                    raise self.broken("a chain of clusters leads out of it")
                length += step
                previous, cluster = cluster, self._next(cluster)
                if cluster != previous + 1 or length >= min(left, PIECE):
                    break
            yield self._clusters_at + (first - 2) * step, min(length, left)
            left -= length

    def pieces(self, file: File) -> Iterator[bytes]:
        """The data of a file."""
        left = file.size
        if left:
            for at, length in self._runs(file.cluster, left):
                yield self.bytes_at(at, length)
                left -= length
        if left:
            raise self.broken("a file has fewer clusters than bytes")

    def _directory(self, directory: File) -> bytes:
        if directory is ROOT and self.bits != 32:
            return self.bytes_at(self._root_at, self._root_size)
        cluster = self.root if directory is ROOT else directory.cluster
        most = min(_LARGEST_DIRECTORY, self._clusters * self.cluster_size) + self.cluster_size
        found = b"".join(self.bytes_at(*run) for run in self._runs(cluster, most))
        if not found or len(found) >= most:
            raise self.broken("a directory has no clusters, or no end")
        return found

    def names(self, directory: File) -> Iterator[File]:
        """What is in a directory."""
        content = self._directory(directory)
        parts: list[bytes] = []
        for at in range(0, len(content), 32):
            raw = content[at : at + 32]
            if raw[0] == 0:
                return
            if raw[0] == 0xE5:
                parts = []
            elif raw[11] & 0x3F == _LONG_NAME:
                if raw[0] & _LAST_PART:
                    parts = []
                parts.append(raw)
                parts = parts[-_MOST_PARTS:]
            else:
                long, parts = _long(parts, raw), []
                if not raw[11] & _VOLUME_LABEL and raw[:11] not in _DOTS:
                    yield _file(raw, long)


def _long(parts: list[bytes], raw: bytes) -> bytes:
    """The long name that belongs to an entry, or nothing."""
    numbers = [part[0] & 0x3F for part in parts]
    if not parts or numbers != [*range(len(parts), 0, -1)] or not parts[0][0] & _LAST_PART:
        return b""
    checksum = 0
    for byte in raw[:11]:
        checksum = (checksum >> 1 | checksum << 7) + byte & 0xFF
    if any(part[13] != checksum for part in parts):
        return b""
    units = b"".join(part[1:11] + part[14:26] + part[28:32] for part in reversed(parts))
    # Half of a surrogate pair is kept as such: names need only be told apart.
    text = units.decode("utf-16-le", "surrogatepass").partition("\0")[0]
    return text.encode("utf-8", "surrogatepass")


def _file(raw: bytes, long: bytes) -> File:
    short, kind, case, _, _, _, _, high, clock, day, low, size = _ENTRY.unpack(raw)
    if short[:1] == b"\x05":
        short = b"\xe5" + short[1:]
    base, extension = (part.rstrip(b" ").decode("cp437") for part in (short[:8], short[8:]))
    base = base.lower() if case & _LOWER_BASE else base
    extension = extension.lower() if case & _LOWER_EXTENSION else extension
    name = long or (f"{base}.{extension}" if extension else base).encode()
    return File(name, bool(kind & _DIRECTORY), high << 16 | low, size, _time(day, clock))


def _time(day: int, clock: int) -> int:
    try:
        moment = datetime(
            1980 + (day >> 9), day >> 5 & 15, day & 31,
            clock >> 11, clock >> 5 & 63, (clock & 31) * 2, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return 0
    return int(moment.timestamp()) * NANOSECONDS
