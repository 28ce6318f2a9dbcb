"""Reads the metadata of EROFS: superblock, inodes, directories, attributes, and data as they are.

Layout: erofs_fs.h of Linux (fs/erofs). Compressed data are not decompressed here. Not understood,
and refused by name: further devices, composefs, long attribute prefixes, 48-bit addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.archive.entry import (
    NANOSECONDS,
    XATTR_ACL_ACCESS,
    XATTR_ACL_DEFAULT,
    Xattrs,
)
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import PIECE, zeros

_MAGIC = 0xE0F5E1E2
_SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sIH")
_COMPACT = struct.Struct("<HHHHIIIIHHI")
_EXTENDED = struct.Struct("<HHHHQIIIIQII16x")
_DIRENT = struct.Struct("<QHBB")
_COMPOSEFS = (0xD078629A).to_bytes(4, "little")
# Long prefixes show by use: fragments share their bit.
_UNDERSTOOD = 0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x40
_NAMED = {
    0x8: "the data of its files are on other devices",
    0x80: "it has addresses of 48 bits",
    0x100: "its inodes are in a file of their own, the metabox",
}
_SAYS_ALGORITHMS = 0x2
_ALGORITHMS = ("lz4", "lzma", "deflate", "zstd")
_CHUNK_LOG, _INDEXED = 0x1F, 0x20

PLAIN, COMPRESSED_FULL, INLINE, COMPRESSED, CHUNKS = range(5)
_PREFIXES = {
    1: b"user.",
    2: XATTR_ACL_ACCESS,
    3: XATTR_ACL_DEFAULT,
    4: b"trusted.",
    6: b"security.",
}


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode; `word` is its block address, its device number or its chunk format; `tail` is where
    what follows it in the metadata begins.
    """

    layout: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int
    word: int
    tail: int
    xattrs: Xattrs


class Volume(MappedImage):
    """An image of erofs."""

    kind = "erofs"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        raw = self.data[1024 : 1024 + _SUPERBLOCK.size]
        if len(raw) < _SUPERBLOCK.size or int.from_bytes(raw[:4], "little") != _MAGIC:
            raise self.broken("it has no superblock")
        fields = _SUPERBLOCK.unpack(raw)
        if self.data[:4] == _COMPOSEFS:
            raise self.broken(
                "it is an image of composefs, which has no data of files", "read the tree instead"
            )
        unknown = fields[14] & ~_UNDERSTOOD
        for flag, why in _NAMED.items():
            if unknown & flag:
                raise self.broken(why)
        if unknown or not 9 <= fields[3] <= 16:
            raise self.broken(f"it has features not understood: incompat {unknown:#x}")
        self.block_size = 1 << fields[3]
        self.root: int = fields[5]
        self._built_ns = fields[7] * NANOSECONDS + fields[8]
        self._metadata: int = fields[10] * self.block_size
        self._shared = fields[11] * self.block_size
        # Only what is compressed by others than lz4 alone says so, by a bit for each.
        told = fields[15] if fields[14] & _SAYS_ALGORITHMS else 0
        known = [name for bit, name in enumerate(_ALGORITHMS) if told >> bit & 1]
        self.algorithm = known[-1] if known else _ALGORITHMS[0]

    def place(self, number: int) -> int:
        """Where an inode is in the image."""
        return self._metadata + number * 32

    def inode(self, number: int) -> Inode:
        """An inode by its number, which says where it is."""
        at = self.place(number)
        try:
            is_extended = self.data[at] & 1
            layout_and_count: tuple[int, int] = struct.unpack_from("<HH", self.data, at)
            layout = layout_and_count[0] >> 1 & 7
            count = layout_and_count[1]
            if is_extended:
                _, _, mode, _, size, word, _, uid, gid, seconds, fraction, links = (
                    _EXTENDED.unpack_from(self.data, at)
                )
                time = _signed(seconds) * NANOSECONDS + fraction
                at += _EXTENDED.size
            else:
                _, _, mode, links, size, _, word, _, uid, gid, _ = _COMPACT.unpack_from(
                    self.data, at
                )
                time = self._built_ns
                at += _COMPACT.size
            xattrs = self._xattrs(at, count) if count else ()
        except (IndexError, struct.error) as error:
            raise self.broken(f"inode {number} is past its end") from error
        tail = at + (12 + 4 * (count - 1) if count else 0)
        return Inode(layout, mode, uid, gid, size, time, links, word, tail, xattrs)

    def _xattrs(self, at: int, count: int) -> Xattrs:
        end = at + 12 + 4 * (count - 1)
        shared = self.data[at + 4]
        found = []
        for index in range(shared):
            (place,) = struct.unpack_from("<I", self.data, at + 12 + 4 * index)
            found.append(self._xattr(self._shared + 4 * place)[0])
        at += 12 + 4 * shared
        while at < end:
            pair, length = self._xattr(at)
            found.append(pair)
            at += length + 3 & ~3
        return tuple(sorted(found))

    def _xattr(self, at: int) -> tuple[tuple[bytes, bytes], int]:
        size, prefix, length = struct.unpack_from("<BBH", self.data, at)
        if prefix not in _PREFIXES:
            raise self.broken(f"it has an attribute prefix not understood: {prefix:#x}")
        name = _PREFIXES[prefix] + self.data[at + 4 : at + 4 + size]
        value = self.data[at + 4 + size : at + 4 + size + length]
        return (name, value), 4 + size + length

    def pieces(self, inode: Inode) -> Iterator[bytes]:
        """The data of an inode that is not compressed, in order."""
        if inode.layout == CHUNKS:
            yield from self._chunks(inode)
            return
        if inode.layout not in (PLAIN, INLINE):
            raise self.broken("its data are compressed")
        apart = inode.size
        if inode.layout == INLINE:
            apart -= inode.size % self.block_size
        start = inode.word * self.block_size
        for offset in range(0, apart, PIECE):
            yield self._range(start + offset, min(PIECE, apart - offset))
        if apart < inode.size:
            yield self._range(inode.tail, inode.size - apart)

    def _chunks(self, inode: Inode) -> Iterator[bytes]:
        if inode.word & 0xFFFF & ~(_CHUNK_LOG | _INDEXED):
            raise self.broken("it has chunks of a form not understood")
        chunk = self.block_size << (inode.word & _CHUNK_LOG)
        indexed = bool(inode.word & _INDEXED)
        unit = 8 if indexed else 4
        at = -(-inode.tail // unit) * unit
        for offset in range(0, inode.size, chunk):
            place = at + offset // chunk * unit + (4 if indexed else 0)
            (block,) = struct.unpack("<I", self._range(place, 4))
            length = min(chunk, inode.size - offset)
            if block == 0xFFFFFFFF:
                yield from zeros(length)
                continue
            start = block * self.block_size
            for begun in range(0, length, PIECE):
                yield self._range(start + begun, min(PIECE, length - begun))

    def _range(self, at: int, length: int) -> bytes:
        return self.bytes_at(at, length, "data lie behind its end")

    def names(self, inode: Inode) -> Iterator[tuple[bytes, int]]:
        """Names and inode numbers in a directory."""
        if inode.size > len(self.data):
            raise self.broken("a directory is impossibly large")
        content = b"".join(self.pieces(inode))
        for start in range(0, len(content), self.block_size):
            block = content[start : start + self.block_size]
            if len(block) < 12:
                raise self.broken("a directory is damaged")
            first = _DIRENT.unpack_from(block)[1]
            if first % 12 or not 0 < first <= len(block):
                raise self.broken("a directory is damaged")
            entries = [_DIRENT.unpack_from(block, at) for at in range(0, first, 12)]
            ends = [entry[1] for entry in entries[1:]] + [len(block)]
            for (number, offset, _, _), end in zip(entries, ends, strict=True):
                name = block[offset:end].partition(b"\0")[0]
                if name not in (b".", b".."):
                    yield name, number


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
