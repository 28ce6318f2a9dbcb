"""ISO 9660 with Rock Ridge, read: what live media and installers come on.

Layout: ECMA-119; names, modes, owners and links as Rock Ridge has them (IEEE P1282, in the system
use areas of SUSP, IEEE P1281). Without Rock Ridge names are in lower case and without versions, as
Linux shows them. Media are written by the format `iso`, not as a file system of a partition.
"""

from __future__ import annotations

import calendar
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import KIND_OF_FORMAT, NANOSECONDS, order, path_text
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.image import Image, MappedImage, Region, path_of, reading
from dockyard.filesystems.inodes import InodeSource
from dockyard.filesystems.pieces import PIECE, digest
from dockyard.filesystems.spec import FilesystemSpec
from dockyard.host.sandbox import Tools

needs = "main"
flags: str = ""

_SECTOR = 2048
_DESCRIPTOR = 16 * _SECTOR
_ROOT_RECORD = 156
_DIRECTORY, _MORE = 0x02, 0x80
_MOST_AREAS = 64  # of one record
_LEAST_RECORD = 34
_LONGEST_NAME, _LONGEST_TARGET = 255, 4095  # bytes, of Linux
_PATHS_FOR_EACH_BYTE, _PATHS_BESIDES = 4, 64 << 20


@dataclass(slots=True)
class _Record:
    """A directory record. extents: (place, size) of its data in bytes."""

    name: bytes
    mode: int
    mtime: int
    extents: list[tuple[int, int]]
    uid: int = 0
    gid: int = 0
    target: bytes = b""
    more: bool = False

    @property
    def size(self) -> int:
        return sum(size for _, size in self.extents)


@dataclass(slots=True)
class _Fields:
    """What Rock Ridge says of a record."""

    name: bytes = b""
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    parts: list[bytes] = field(default_factory=list)


class Volume(MappedImage):
    """A medium."""

    kind = "iso9660"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        head = self.data[_DESCRIPTOR : _DESCRIPTOR + _SECTOR]
        if len(head) < _SECTOR or head[:6] != b"\x01CD001":
            raise self.broken("it has no volume descriptor")
        self.label = head[40:72].decode(errors="replace").rstrip()
        self.root = self._record(head[_ROOT_RECORD : _ROOT_RECORD + 34], 0)
        self._skipped = self._listed = 0
        first = next(iter(self._raw_records(self.root)), b"")
        area = _system_use(first)
        if area[:2] == b"SP" and len(area) > 6:
            self._skipped = area[6]

    def records(self, directory: _Record) -> Iterator[_Record]:
        """What is in a directory, but for itself and the one above. Each is to be read once."""
        self._listed += directory.size
        if self._listed > len(self.data):  # they may lie over one another
            raise self.broken("its directories are larger than it is")
        pending: _Record | None = None
        for raw in self._raw_records(directory):
            if raw[32] == 1 and raw[33] in (0, 1):
                continue
            found = self._record(raw, self._skipped)
            if pending is not None:
                found.extents = [*pending.extents, *found.extents]
            pending = found if found.more else None
            if not found.more:
                yield found

    def _raw_records(self, directory: _Record) -> Iterator[bytes]:
        for place, size in directory.extents:
            for at in range(place, place + size, _SECTOR):
                block = self.bytes_at(at, _SECTOR, "a directory is past its end")
                offset = 0
                while offset < _SECTOR and block[offset] >= _LEAST_RECORD:
                    raw = block[offset : offset + block[offset]]
                    if len(raw) < 33 + raw[32]:
                        raise self.broken("a directory is damaged")
                    yield raw
                    offset += block[offset]

    def _record(self, raw: bytes, skipped: int) -> _Record:
        extent, size = struct.unpack_from("<I4xI", raw, 2)
        flags, length = raw[25], raw[32]
        name = raw[33 : 33 + length].partition(b";")[0].rstrip(b".").lower()
        mode = stat.S_IFDIR | 0o755 if flags & _DIRECTORY else stat.S_IFREG | 0o444
        told = self._rock_ridge(_system_use(raw)[skipped:])
        place = (extent + raw[1]) * _SECTOR
        return _Record(
            told.name or name,
            mode if told.mode is None else told.mode,
            _time(raw[18:25]),
            [(place, size)] if size else [],
            told.uid,
            told.gid,
            b"/".join(told.parts),
            bool(flags & _MORE),
        )

    def _rock_ridge(self, area: bytes) -> _Fields:
        told = _Fields()
        for _ in range(_MOST_AREAS):
            onward = b""
            while len(area) >= 4 and area[2] >= 4:
                sign, body = area[:2], area[4 : area[2]]
                area = area[area[2] :]
                if sign == b"NM":
                    told.name += body[1:] if not body[0] & 6 else b""
                elif sign == b"PX":
                    told.mode, _, told.uid, told.gid = struct.unpack_from("<I4xI4xI4xI", body)
                elif sign == b"SL":
                    _add_components(told.parts, body[1:])
                elif sign == b"CE":
                    block, offset, length = struct.unpack_from("<I4xI4xI", body)
                    if offset + length > _SECTOR:
                        raise self.broken("an area of a record is larger than a sector")
                    onward = self.bytes_at(block * _SECTOR + offset, length)
            if not onward:
                break
            area = onward
        if len(told.name) > _LONGEST_NAME or sum(map(len, told.parts)) > _LONGEST_TARGET:
            raise self.broken("a name, or the target of a link, is impossibly long")
        return told

    def pieces(self, record: _Record) -> Iterator[bytes]:
        """The data of a file."""
        for place, size in record.extents:
            for at in range(0, size, PIECE):
                yield self.bytes_at(place + at, min(PIECE, size - at), "data lie behind its end")


def _system_use(raw: bytes) -> bytes:
    at = 33 + raw[32] + (1 - raw[32] % 2) if len(raw) > 32 else 0
    return raw[at:]


def _add_components(parts: list[bytes], body: bytes) -> None:
    while len(body) >= 2:
        flags, text = body[0], body[2 : 2 + body[1]]
        body = body[2 + body[1] :]
        word = {2: b".", 4: b"..", 8: b""}.get(flags & 14, text)
        parts.append(word)


def _time(raw: bytes) -> int:
    """Seconds since 1970, of years since 1900 and quarters of hours east of Greenwich."""
    year, month, day, hour, minute, second = raw[:6]
    try:
        moment = calendar.timegm((1900 + year, month, day, hour, minute, second))
    except ValueError:
        return 0
    zone = raw[6] - 256 if raw[6] > 127 else raw[6]
    return int(moment - zone * 900)


def records_of(volume: Volume) -> dict[bytes, _Record]:
    """Everything on a medium by its path, in canonical order."""
    found = {b"": volume.root}
    pending = [b""]
    visited: set[int] = set()
    left = _PATHS_BESIDES + _PATHS_FOR_EACH_BYTE * len(volume.data)
    while pending:
        path = pending.pop()
        for record in volume.records(found[path]):
            below = path + b"/" + record.name if path else record.name
            left -= len(below)
            if left < 0:
                raise volume.broken("it has more names than it can hold")
            if record.name in (b"", b".", b"..") or b"/" in record.name or below in found:
                raise volume.broken("a directory has an entry that is not a name")
            found[below] = record
            if stat.S_ISDIR(record.mode):
                place = record.extents[0][0] if record.extents else 0
                if place in visited:
                    raise volume.broken("a directory has two names")
                visited.add(place)
                pending.append(below)
    return dict(sorted(found.items(), key=lambda pair: order(pair[0])))


def regions(image: Image) -> tuple[str, dict[str, Region]]:
    """The label of a medium, and where its files are that lie in one piece, by their paths."""
    with reading("iso9660", image):
        volume = Volume(image)
        start = image.start if isinstance(image, Region) else 0
        found = {}
        for path, record in records_of(volume).items():
            if len(record.extents) == 1 and stat.S_ISREG(record.mode):
                at = record.extents[0][0]
                if at + record.size > len(volume.data):
                    raise volume.broken(f"it ends before the data of {path_text(path)}")
                found[os.fsdecode(path)] = Region(path_of(image), start + at, record.size)
        volume.close()
        return volume.label, found


def read(
    image: Image, tools: Tools | None = None, scratch: Path | None = None, *, digests: bool = True
) -> Archive:
    """The archive of a medium. Its data stay in the image."""
    with reading("iso9660", image):
        volume = Volume(image)
        records = records_of(volume)
        entries = [_entry(volume, path, record, digests) for path, record in records.items()]
        by_number = list(records.values())
        numbers = {path: number for number, path in enumerate(records)}
        return Archive(entries, (InodeSource(numbers, lambda at: volume.pieces(by_number[at])),))


def _entry(volume: Volume, path: bytes, record: _Record, digests: bool) -> Entry:
    kind = KIND_OF_FORMAT.get(stat.S_IFMT(record.mode), Kind.FIFO)
    is_file = kind is Kind.FILE
    if is_file and not volume.may_hold(record.size, is_file):
        raise volume.broken("a file is impossibly large")
    return Entry(
        path,
        kind,
        record.mode & 0o7777,
        record.uid,
        record.gid,
        record.mtime * NANOSECONDS,
        record.size if is_file else 0,
        digest(volume.pieces(record)) if is_file and digests else None,
        record.target if kind is Kind.SYMLINK else b"",
    )


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """It is not written as a file system of a partition."""
    return [
        Problem(
            "filesystems.not-written",
            "iso9660 is not a file system for a partition",
            fix="choose another file system, or write the format iso",
        )
    ]


def minimum_size(archive: Archive) -> int:
    """See refuse."""
    return 0


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """See refuse."""
    raise DockyardError(*refuse(archive))
