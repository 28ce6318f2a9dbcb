"""The payload of an RPM: a cpio archive in the "new ASCII" form (cpio(5)), compressed.

Members of a hard-link group stand next to each other, with the data on the last: rpm 4.20 mixes up
groups that are interleaved, without a word. Paths carry the prefix `./`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from dockyard.packages.rpm.contents import FileFlag, PackagedFile

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

LEVEL = 3
LIBRARY = zstd.zstd_version
"""Another libzstd may make other bytes of the same input."""
_MAGIC = b"070701"
_DIGITS = re.compile(rb"[0-9A-Fa-f]{104}")
_TRAILER = "TRAILER!!!"
_PIECE = 1 << 20
_LONGEST_PATH = 4096  # bytes, its end included; rpm reads no longer one


class Compressor:
    """zstd at a fixed level, with both digests that the header carries.

    One worker: with none, libzstd cuts its blocks elsewhere than with any number of workers.
    """

    def __init__(self) -> None:
        parameter = zstd.CompressionParameter
        self._zstd = zstd.ZstdCompressor(
            options={parameter.compression_level: LEVEL, parameter.nb_workers: 1}
        )
        self._plain = hashlib.sha256()
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._plain.update(data)
        self.size += len(data)
        self._parts.append(self._zstd.compress(data))

    def finish(self) -> bytes:
        self._parts.append(self._zstd.flush())
        return b"".join(self._parts)

    @property
    def plain_digest(self) -> str:
        return self._plain.hexdigest()


def inodes(files: Sequence[PackagedFile]) -> list[int]:
    """An inode number per file, the same for the members of a hard-link group."""
    numbers: dict[int, int] = {}
    found = []
    for position, file in enumerate(files, 1):
        found.append(numbers.setdefault(file.link, position) if file.link else position)
    return found


def write_payload(files: Sequence[PackagedFile], out: Compressor) -> None:
    """Write files, which are sorted by path, as the whole archive."""
    numbers = inodes(files)
    groups: dict[int, list[int]] = {}
    for position, file in enumerate(files):
        if not file.flags & FileFlag.GHOST:
            groups.setdefault(numbers[position], []).append(position)
    for inode, members in groups.items():
        for position in members:
            file = files[position]
            data: bytes | memoryview = b""
            if position == members[-1]:
                data = file.data if file.is_regular else _link_text(file)
            out.write(_entry(f".{file.path}", inode, file, len(members), len(data)))
            if data:
                out.write(data)
                out.write(bytes(-len(data) % 4))
    trailer = PackagedFile(path=_TRAILER, mode=0)
    out.write(_entry(_TRAILER, 0, trailer, 1, 0))


def _link_text(file: PackagedFile) -> bytes:
    return file.target.encode("utf-8", "surrogateescape")


def _entry(name: str, inode: int, file: PackagedFile, links: int, size: int) -> bytes:
    raw = name.encode("utf-8", "surrogateescape") + b"\0"
    fields = (inode, file.mode, 0, 0, links, file.mtime, size, 0, 0, 0, 0, len(raw), 0)
    head = _MAGIC + b"%08x" * 13 % fields + raw
    return head + bytes(-len(head) % 4)


class MalformedPayload(ValueError):
    """The bytes are no cpio archive of the new ASCII form."""


def read_cpio(source: IO[bytes]) -> Iterator[tuple[str, int, int, bytes]]:
    """Path (without `./` or `/`), mode, inode and data of every entry. Raises MalformedPayload."""
    for path, mode, inode, pieces in read_in_pieces(source):
        yield path, mode, inode, b"".join(pieces)


def read_in_pieces(source: IO[bytes]) -> Iterator[tuple[str, int, int, Iterator[bytes]]]:
    """The same with the data of each entry in pieces, to be read before the next entry is asked
    for: however large a file is, it is never in memory as a whole. Raises MalformedPayload.
    """
    while True:
        head = source.read(110)
        if len(head) < 110 or head[:6] not in (_MAGIC, b"070702"):
            raise MalformedPayload("an entry of the payload does not begin as it should")
        if not _DIGITS.fullmatch(head, 6):  # int() takes signs, spaces and underscores, too
            raise MalformedPayload("an entry of the payload has a damaged head")
        numbers = [int(head[at : at + 8], 16) for at in range(6, 110, 8)]
        inode, mode, size, length = numbers[0], numbers[1], numbers[6], numbers[11]
        if not 0 < length <= _LONGEST_PATH:
            raise MalformedPayload("an entry of the payload has a path that is none")
        name = _read(source, length + -(110 + length) % 4)[: length - 1].decode(
            "utf-8", "surrogateescape"
        )
        if "\0" in name:
            raise MalformedPayload("an entry of the payload has a path that is none")
        if name == _TRAILER:
            return
        pieces = _pieces(source, size)
        yield name.removeprefix("./").removeprefix("/"), mode, inode, pieces
        for _ in pieces:
            pass
        _read(source, -size % 4)


def _pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        data = _read(source, min(size, _PIECE))
        size -= len(data)
        yield data


def _read(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise MalformedPayload("the payload is cut off")
    return data
