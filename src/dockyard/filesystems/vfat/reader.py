"""Reads FAT12, FAT16 and FAT32 with long names (Microsoft's FAT specification, 2000).

FAT knows no owners and modes: entries are root's, directories 0755, files 0644. Times are in UTC,
in steps of two seconds.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS, order
from dockyard.filesystems.image import Image, MappedImage

_ENTRY = struct.Struct("<11sBBBHHHHHHHI")
_DIRECTORY, _VOLUME_LABEL, _LONG_NAME = 0x10, 0x08, 0x0F
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    is_directory: bool
    cluster: int
    size: int
    mtime_ns: int


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
        large, table_size_32 = struct.unpack_from("<II", self.data, 32)
        if sector not in (512, 1024, 2048, 4096) or not per_cluster or not tables:
            raise self.broken("its boot sector is not one of FAT")
        table_size = table_size or table_size_32
        self.cluster_size = sector * per_cluster
        self._table = reserved * sector
        self._root_at = (reserved + tables * table_size) * sector
        self._root_size = roots * 32
        self._clusters_at = self._root_at + -(-self._root_size // sector) * sector
        clusters = ((small or large) * sector - self._clusters_at) // self.cluster_size
        self.bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        self._clusters = clusters
        self.root = struct.unpack_from("<I", self.data, 44)[0] if self.bits == 32 else 0
        at = 67 if self.bits == 32 else 39
        self.volume_id: int = struct.unpack_from("<I", self.data, at)[0]

    def chain(self, cluster: int) -> Iterator[bytes]:
        """The clusters of a file, from its first on."""
        left = self._clusters + 1
        while 2 <= cluster < self._clusters + 2:
            at = self._clusters_at + (cluster - 2) * self.cluster_size
            yield self.data[at : at + self.cluster_size]
            cluster = self._next(cluster)
            left -= 1
            if not left:
                raise self.broken("a chain of clusters has no end")

    def _next(self, cluster: int) -> int:
        if self.bits == 12:
            pair: int = struct.unpack_from("<H", self.data, self._table + cluster * 3 // 2)[0]
            return pair >> 4 if cluster & 1 else pair & 0xFFF
        if self.bits == 16:
            return int(struct.unpack_from("<H", self.data, self._table + cluster * 2)[0])
        return int(struct.unpack_from("<I", self.data, self._table + cluster * 4)[0]) & 0x0FFFFFFF

    def names(self, cluster: int) -> Iterator[_File]:
        """What is in a directory; cluster 0 is the root."""
        if cluster or self.root:
            content = b"".join(self.chain(cluster or self.root))
        else:
            content = self.data[self._root_at : self._root_at + self._root_size]
        parts: list[bytes] = []
        for at in range(0, len(content), 32):
            raw = content[at : at + 32]
            if raw[0] == 0:
                return
            if raw[0] == 0xE5:
                parts = []
            elif raw[11] & 0x3F == _LONG_NAME:
                parts.insert(0, raw[1:11] + raw[14:26] + raw[28:32])
            else:
                long, parts = b"".join(parts).decode("utf-16-le").partition("\0")[0], []
                if raw[11] & _VOLUME_LABEL or raw[:2] in (b". ", b".."):
                    continue
                yield _file(raw, long)


def _file(raw: bytes, long: str) -> _File:
    short, kind, case, _, _, _, _, high, clock, day, low, size = _ENTRY.unpack(raw)
    if short[:1] == b"\x05":
        short = b"\xe5" + short[1:]
    base, extension = (part.rstrip().decode("cp850") for part in (short[:8], short[8:]))
    base = base.lower() if case & _LOWER_BASE else base
    extension = extension.lower() if case & _LOWER_EXTENSION else extension
    name = long or (f"{base}.{extension}" if extension else base)
    return _File(name, bool(kind & _DIRECTORY), high << 16 | low, size, _time(day, clock))


def _time(day: int, clock: int) -> int:
    try:
        moment = datetime(
            1980 + (day >> 9), day >> 5 & 15, day & 31,
            clock >> 11, clock >> 5 & 63, (clock & 31) * 2, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return 0
    return int(moment.timestamp()) * NANOSECONDS


@dataclass(frozen=True, slots=True)
class FatSource:
    """The data of the files of an image, which stays mapped."""

    volume: Volume
    places: Mapping[bytes, tuple[int, int]]

    def open(self, path: bytes) -> BinaryIO:
        cluster, size = self.places[path]
        content = b"".join(self.volume.chain(cluster))[:size] if size else b""
        if len(content) != size:
            raise self.volume.broken("a file has fewer clusters than bytes")
        return cast(BinaryIO, io.BytesIO(content))


def read(image: Image) -> Archive:
    """The archive of an image."""
    volume = Volume(image)
    places: dict[bytes, tuple[int, int]] = {}
    source = FatSource(volume, places)
    entries = [Entry(b"", Kind.DIRECTORY, 0o755)]
    pending = [(b"", 0)]
    visited: set[int] = set()
    while pending:
        parent, cluster = pending.pop()
        for found in volume.names(cluster):
            path = (parent + b"/" if parent else b"") + found.name.encode()
            if found.is_directory:
                if found.cluster in visited:
                    raise volume.broken("a directory has two names")
                visited.add(found.cluster)
                pending.append((path, found.cluster))
                entries.append(Entry(path, Kind.DIRECTORY, 0o755, mtime_ns=found.mtime_ns))
                continue
            places[path] = (found.cluster, found.size)
            digest = hashlib.sha256(source.open(path).read()).hexdigest()
            entries.append(
                Entry(
                    path, Kind.FILE, 0o644, mtime_ns=found.mtime_ns, size=found.size, digest=digest
                )
            )
    return Archive(sorted(entries, key=lambda entry: order(entry.path)), (source,))
