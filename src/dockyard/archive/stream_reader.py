"""Reads streams: our own, and what other writers of pax, ustar and GNU tar make.

Understood: ustar with its prefix, pax extended and global headers, GNU long names and base-256
numbers. Refused: a name that leads out of the tree, sparse members, and kinds that a tree cannot
have.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from dockyard.archive.archive import Archive, linked
from dockyard.archive.entry import NANOSECONDS, Entry, Kind, order, path_text
from dockyard.archive.flags import PAX_FLAGS, letters, with_flags
from dockyard.archive.stream import BLOCK, USTAR
from dockyard.errors import DockyardError, Problem

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_XATTR = b"SCHILY.xattr."
_PIECE = 1 << 20
_MAX_EXTENDED = 64 << 20
# What the kernel takes: of a user's id, of a device's numbers, of a size and of seconds.
_MAX_ID, _MAX_DEVICE, _MAX_SIGNED = (1 << 32) - 2, (1 << 20) - 1, (1 << 63) - 1
_MAX_TIME = 1 << 40

Records = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of a stream; its data must be read, or are passed over, before the next one.

    `entry.digest` is None: the data have not been seen yet.
    """

    entry: Entry
    data: IO[bytes]


@dataclass(frozen=True, slots=True)
class RangeSource:
    """Files that are ranges (offset, size) in one file, such as a stream."""

    file: Path
    ranges: Mapping[bytes, tuple[int, int]]

    def open(self, path: bytes) -> BinaryIO:
        offset, size = self.ranges[path]
        raw = open(self.file, "rb", buffering=0)  # noqa: SIM115 (the range closes it)
        raw.seek(offset)
        return cast(BinaryIO, _Range(cast(IO[bytes], raw), size))


class _Range(io.RawIOBase):
    """The next `size` bytes of an open file. Closing it closes the file when it owns it."""

    def __init__(self, raw: IO[bytes], size: int, owns: bool = True) -> None:
        super().__init__()
        self.left = size
        self._raw = raw
        self._owns = owns

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        pieces: list[bytes] = []
        while wanted and (piece := self._raw.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
            self.left -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self._owns and not self.closed:
            self._raw.close()
        super().close()


def scan_stream(file: Path) -> Archive:
    """The archive of a stream in a file, in canonical order; its data stay in the file."""
    found: dict[bytes, Entry] = {}
    ranges: dict[bytes, tuple[int, int]] = {}
    with open(file, "rb") as opened:
        for member in read_stream(opened):
            entry = member.entry
            if entry.kind is Kind.FILE:
                ranges[entry.path] = (opened.tell(), entry.size)
                digest = hashlib.sha256()
                while piece := member.data.read(_PIECE):
                    digest.update(piece)
                entry = replace(entry, digest=digest.hexdigest())
            elif entry.kind is Kind.HARDLINK:
                entry = replace(entry, digest=found[entry.target].digest)
                if entry.target in ranges:
                    ranges[entry.path] = ranges[entry.target]
            found[entry.path] = entry
    ordered = sorted(found.values(), key=lambda entry: order(entry.path))
    return Archive(ordered, (RangeSource(file, ranges),))


def read_stream(stream: IO[bytes]) -> Iterator[Member]:
    """The members of a stream in its order. Raises DockyardError for what is not a stream, is cut
    short, or has a name that a tree cannot have.
    """
    seen: dict[bytes, Entry] = {}
    common: Records = {}
    records: Records = {}
    while True:
        block = _exactly(stream, BLOCK)
        if not any(block):
            return
        fields = _fields(block)
        kind, size = fields[7], _within(_number(fields[4]), _MAX_SIGNED)
        if kind in b"xgLK":
            body = _extended(stream, size)
            if kind == b"g":
                common |= _records(body)
            elif kind == b"x":
                records |= _records(body)
            else:
                records[b"path" if kind == b"L" else b"linkpath"] = body.rstrip(b"\0")
            continue
        entry = _entry(fields, common | records, seen)
        records = {}
        seen[entry.path] = entry
        size = entry.size if entry.kind is Kind.FILE else 0
        data = _Range(stream, size, owns=False)
        yield Member(entry, cast(IO[bytes], data))
        while data.left:
            if not data.read(_PIECE):
                raise _broken("it is cut short in the data of " + path_text(entry.path))
        _exactly(stream, -size % BLOCK)


def _fields(block: bytes) -> tuple[bytes, ...]:
    if sum(block) - sum(block[148:156]) + 8 * 32 != _number(block[148:156]):
        raise _broken("the checksum of a header is wrong")
    return tuple(USTAR.unpack(block))


def _entry(fields: tuple[bytes, ...], records: Records, seen: Mapping[bytes, Entry]) -> Entry:
    raw = records.get(b"path") or _ustar_name(fields)
    if any(key.startswith(b"GNU.sparse.") for key in records) or fields[7] == b"S":
        raise _broken(f"{path_text(raw)} is a sparse member")
    kind = _KINDS.get(fields[7])
    if kind is None:
        raise _broken(f"{path_text(raw)} is of an unknown kind, {fields[7]!r}")
    if kind is Kind.FILE and raw.endswith(b"/"):
        kind = Kind.DIRECTORY
    path = _inside(raw)
    target = records.get(b"linkpath") or fields[8].partition(b"\0")[0]
    if kind is Kind.HARDLINK:
        original = seen.get(_inside(target))
        if original is None:
            raise _broken(f"{path_text(path)} is a link to something that does not come before it")
        if original.kind is Kind.HARDLINK:
            original = seen[original.target]
        return linked(path, original)
    time = records.get(b"mtime")
    device = _device(fields) if kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0)
    xattrs = {key[len(_XATTR) :]: value for key, value in records.items() if key.startswith(_XATTR)}
    if any(b"\0" in text for text in (path, target, *xattrs)):
        raise _broken(f"{path_text(path)} has a NUL in a name")
    mtime_ns = _nanoseconds(time) if time else _number(fields[5]) * NANOSECONDS
    _within(abs(mtime_ns), _MAX_TIME * NANOSECONDS)
    return Entry(
        path,
        kind,
        _number(fields[1]) & 0o7777,
        _within(_recorded(records, b"uid", fields[2]), _MAX_ID),
        _within(_recorded(records, b"gid", fields[3]), _MAX_ID),
        mtime_ns,
        _within(_recorded(records, b"size", fields[4]), _MAX_SIGNED) if kind is Kind.FILE else 0,
        None,
        target if kind is Kind.SYMLINK else b"",
        device,
        with_flags(tuple(xattrs.items()), letters(records.get(PAX_FLAGS, b""))),
    )


def _device(fields: tuple[bytes, ...]) -> tuple[int, int]:
    major, minor = (_within(_number(field), _MAX_DEVICE) for field in fields[12:14])
    return major, minor


def _recorded(records: Records, name: bytes, field: bytes) -> int:
    """A number: of its record, or of its field in the header."""
    text = records.get(name)
    return _decimal(text) if text else _number(field)


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise _broken("a number in an extended header is not decimal")
    return int(text)


def _within(number: int, most: int) -> int:
    if not 0 <= number <= most:
        raise _broken(f"a number in a header is out of range: {number}")
    return number


def _ustar_name(fields: tuple[bytes, ...]) -> bytes:
    name, prefix = fields[0].partition(b"\0")[0], fields[14].partition(b"\0")[0]
    return prefix + b"/" + name if prefix and fields[9].startswith(b"ustar\0") else name


def _inside(path: bytes) -> bytes:
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise _broken(f"{path_text(path)} leads out of the tree")
    return b"/".join(parts)


def _number(field: bytes) -> int:
    """A number in octal, or in base 256 when the first bit is set (GNU)."""
    if field and field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ~(0x80 << 8 * (len(field) - 1))
        return value - (1 << (8 * len(field) - 1)) if field[0] == 0xFF else value
    text = field.strip(b"\0 ")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise _broken("a number in a header is not octal") from None


def _nanoseconds(text: bytes) -> int:
    sign = -1 if text.startswith(b"-") else 1
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    return sign * (_decimal(whole or b"0") * NANOSECONDS + _decimal(fraction[:9].ljust(9, b"0")))


def _extended(stream: IO[bytes], size: int) -> bytes:
    if size > _MAX_EXTENDED:
        raise _broken("an extended header is larger than 64 MiB")
    body = _exactly(stream, size)
    _exactly(stream, -size % BLOCK)
    return body


def _records(body: bytes) -> Records:
    found: Records = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 20)
        length = int(body[at:space]) if space > 0 and body[at:space].isdigit() else 0
        key, equals, value = body[space + 1 : at + length - 1].partition(b"=")
        if not length or not equals or body[at + length - 1 : at + length] != b"\n":
            raise _broken("a record of an extended header is broken")
        found[key] = value
        at += length
    return found


def _exactly(stream: IO[bytes], size: int) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise _broken("it is cut short")
    return b"".join(pieces)


def _broken(why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="archive.not-a-stream",
            what="an archive could not be read",
            why=why,
            fix="make or fetch it again",
        )
    )
