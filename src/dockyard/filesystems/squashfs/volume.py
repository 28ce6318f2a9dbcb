"""Reads the structures of SquashFS 4.0: superblock, inodes, directories, attributes, and data.

Layout: squashfs_fs.h of Linux (fs/squashfs). Metadata are blocks of up to 8 KiB, each packed by
itself; a place in them is that of a block, and of a byte in what it unpacks to. Numbers are
little-endian.
"""

from __future__ import annotations

import stat
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.archive.entry import Xattrs
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import zeros
from dockyard.filesystems.squashfs.packing import UNPACK

_MAGIC = 0x73717368
_SUPERBLOCK = struct.Struct("<IIIIIHHHHHHQQQQQQQQ")
_HEADER = struct.Struct("<HHHHII")
_METADATA = 8192
_PLAIN_METADATA, _PLAIN_DATA = 1 << 15, 1 << 24
_NONE, _NOWHERE = 0xFFFFFFFF, (1 << 64) - 1
_FRAGMENTS_KEPT, _BLOCKS_KEPT = 16, 4096
_MOST_PACKED, _MOST_BESIDES = 64, 16 << 30  # of all files together
_LONGEST_TARGET = 1 << 16  # bytes; Linux takes no more than a page
_MOST_SETS = 256 << 20  # bytes of attributes that differ, besides those of the image's own size
_PREFIXES = {0: b"user.", 1: b"trusted.", 2: b"security."}
_ELSEWHERE = 0x100

DIRECTORY, FILE, LINK = 1, 2, 3
_LONG = 7  # what the kinds with attributes have more
_FORMATS = {
    1: stat.S_IFDIR,
    2: stat.S_IFREG,
    3: stat.S_IFLNK,
    4: stat.S_IFBLK,
    5: stat.S_IFCHR,
    6: stat.S_IFIFO,
    7: stat.S_IFSOCK,
}


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode. mode: with the kind. start: where data begin, or the block of a directory. blocks:
    the words of the blocks of a file. fragment, offset: where its end, or a directory, is. target:
    of a symbolic link. rdev: as the kernel encodes it.
    """

    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    links: int
    start: int = 0
    blocks: tuple[int, ...] = ()
    fragment: int = _NONE
    offset: int = 0
    target: bytes = b""
    rdev: int = 0
    xattrs: Xattrs = ()


class _Cursor:
    """Reads on through metadata from a place."""

    def __init__(self, volume: Volume, at: int, offset: int) -> None:
        self._volume = volume
        self._left, self._next = volume.metadata(at)
        self._at = offset

    def take(self, length: int) -> bytes:
        parts = [self._left[self._at : self._at + length]]
        self._at += len(parts[0])
        length -= len(parts[0])
        while length:
            self._left, self._next = self._volume.metadata(self._next)
            piece = self._left[:length]
            if not piece:
                raise self._volume.broken("a block of its metadata is empty")
            parts.append(piece)
            self._at = len(piece)
            length -= len(piece)
        return b"".join(parts)

    def numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))


class Volume(MappedImage):
    """An image of SquashFS."""

    kind = "squashfs"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        raw = self.data[: _SUPERBLOCK.size]
        if len(raw) < _SUPERBLOCK.size or int.from_bytes(raw[:4], "little") != _MAGIC:
            raise self.broken("it has no superblock")
        fields = _SUPERBLOCK.unpack(raw)
        _, _, _, self.block_size, fragments, packing, log, _, ids, major, minor = fields[:11]
        self.root: int = fields[11]
        if (major, minor) != (4, 0):
            raise self.broken(f"it is of version {major}.{minor}; 4.0 is read")
        if not 12 <= log <= 20 or self.block_size != 1 << log:
            raise self.broken("its superblock is damaged")
        if packing not in UNPACK:
            raise self.broken("it is compressed by LZMA, which squashfs 4.0 never was in Linux")
        self._unpack = UNPACK[packing]
        self._inodes, self._directories = fields[15], fields[16]
        self._blocks: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()
        self._ids = struct.unpack(f"<{ids}I", self._table(fields[13], ids, 4))
        table = self._table(fields[17], fragments, 16) if fragments else b""
        self._ends = [struct.unpack_from("<QI", table, at) for at in range(0, len(table), 16)]
        self._attributes, self._sets = 0, b""
        self._known: dict[int, Xattrs] = {}
        self._unpacks = 0
        self._most_unpacked = _MOST_PACKED * len(self.data) + _MOST_BESIDES
        if fields[14] != _NOWHERE:
            self._attributes, count = struct.unpack("<QI", self.bytes_at(fields[14], 12))
            self._sets = self._table(fields[14] + 16, count, 16)

    def metadata(self, at: int) -> tuple[bytes, int]:
        """A block of metadata, unpacked, and where the next one is."""
        known = self._blocks.get(at)
        if known is not None:
            return known
        (word,) = struct.unpack("<H", self.bytes_at(at, 2))
        length = word & ~_PLAIN_METADATA
        if length > _METADATA:
            raise self.broken("a block of its metadata is larger than it may be")
        data = self.bytes_at(at + 2, length)
        plain = data if word & _PLAIN_METADATA else self._unpacked(data, _METADATA)
        if len(self._blocks) >= _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        found = self._blocks[at] = plain, at + 2 + length
        return found

    def _unpacked(self, data: bytes, most: int) -> bytes:
        plain = self._unpack(data, most)
        if len(plain) > most:
            raise self.broken("a block is larger than it may be")
        return plain

    def _table(self, at: int, count: int, size: int) -> bytes:
        """A table of `count` items of `size` bytes, found by a list of the blocks that have it."""
        total = count * size
        blocks = -(-total // _METADATA)
        places = struct.unpack(f"<{blocks}Q", self.bytes_at(at, 8 * blocks))
        found = b"".join(self.metadata(place)[0] for place in places)
        if len(found) < total:
            raise self.broken("a table is cut short")
        return found[:total]

    def _cursor(self, table: int, place: int) -> _Cursor:
        return _Cursor(self, table + (place >> 16), place & 0xFFFF)

    def inode(self, number: int) -> Inode:
        """An inode by its number, which says where it is."""
        cursor = self._cursor(self._inodes, number)
        kind, mode, uid, gid, mtime, _ = _HEADER.unpack(cursor.take(_HEADER.size))
        is_long, kind = kind > _LONG, kind - _LONG if kind > _LONG else kind
        if kind not in _FORMATS or uid >= len(self._ids) or gid >= len(self._ids):
            raise self.broken(f"inode {number} is damaged")
        head = (_FORMATS[kind] | mode & 0o7777, self._ids[uid], self._ids[gid], mtime)
        if kind == DIRECTORY:
            return self._directory(cursor, head, is_long)
        if kind == FILE:
            return self._file(cursor, head, is_long)
        (links,) = cursor.numbers("<I")
        target, rdev = b"", 0
        if kind == LINK:
            (length,) = cursor.numbers("<I")
            if length > _LONGEST_TARGET:
                raise self.broken("a symbolic link is impossibly long")
            target = cursor.take(length)
        elif kind in (4, 5):
            (rdev,) = cursor.numbers("<I")
        xattrs = self._xattrs(*cursor.numbers("<I")) if is_long else ()
        return Inode(*head, len(target), links, target=target, rdev=rdev, xattrs=xattrs)

    def _directory(self, cursor: _Cursor, head: tuple[int, ...], is_long: bool) -> Inode:
        mode, uid, gid, mtime = head
        if is_long:
            links, size, start, _, _, offset, xattr = cursor.numbers("<IIIIHHI")
            xattrs = self._xattrs(xattr)
        else:
            start, links, size, offset, _ = cursor.numbers("<IIHHI")
            xattrs = ()
        return Inode(mode, uid, gid, mtime, size, links, start, offset=offset, xattrs=xattrs)

    def _file(self, cursor: _Cursor, head: tuple[int, ...], is_long: bool) -> Inode:
        mode, uid, gid, mtime = head
        links, xattr = 1, _NONE
        if is_long:
            start, size, _, links, fragment, offset, xattr = cursor.numbers("<QQQIIII")
        else:
            start, fragment, offset, size = cursor.numbers("<IIII")
        count = size // self.block_size
        if fragment == _NONE and size % self.block_size:
            count += 1
        if size > self._most_unpacked:
            raise self.broken("a file is impossibly large")
        blocks, xattrs = cursor.numbers(f"<{count}I"), self._xattrs(xattr)
        return Inode(
            mode, uid, gid, mtime, size, links, start, blocks, fragment, offset, xattrs=xattrs
        )

    def names(self, inode: Inode) -> Iterator[tuple[bytes, int, bool]]:
        """Names and inode numbers in a directory, and whether each is a directory."""
        left = inode.size - 3  # for `.` and `..`, which are not stored
        if left <= 0:
            return
        cursor = self._cursor(self._directories, inode.start << 16 | inode.offset)
        while left > 0:
            count, start, _ = cursor.numbers("<III")
            left -= 12
            for _ in range(count + 1):
                offset, _, kind, length = cursor.numbers("<HhHH")
                yield cursor.take(length + 1), start << 16 | offset, kind == DIRECTORY
                left -= 9 + length
        if left:
            raise self.broken("a directory is damaged")

    def _xattrs(self, number: int) -> Xattrs:
        if number == _NONE:
            return ()
        if number not in self._known:
            self._known[number] = self._set(number)
        return self._known[number]

    def _set(self, number: int) -> Xattrs:
        """The attributes of a number, which many files may have."""
        place, count, _ = struct.unpack_from("<QII", self._sets, 16 * number)
        if count > len(self.data):
            raise self.broken("a file has impossibly many attributes")
        cursor, found = self._cursor(self._attributes, place), []
        for _ in range(count):
            kind, length = cursor.numbers("<HH")
            prefix = _PREFIXES.get(kind & ~_ELSEWHERE)
            if prefix is None:
                raise self.broken(f"it has an attribute prefix not understood: {kind:#x}")
            name = prefix + cursor.take(length)
            (size,) = cursor.numbers("<I")
            value = cursor.take(min(size, 1 << 16))
            if kind & _ELSEWHERE:
                other = self._cursor(self._attributes, struct.unpack("<Q", value)[0])
                value = other.take(min(other.numbers("<I")[0], 1 << 16))
            self._held += len(name) + len(value)
            if self._held > len(self.data) + _MOST_SETS:
                raise self.broken("its attributes are impossibly large")
            found.append((name, value))
        return tuple(sorted(found))

    def pieces(self, inode: Inode) -> Iterator[bytes]:
        """The data of a file, in order."""
        at, left = inode.start, inode.size
        for word in inode.blocks:
            length = min(left, self.block_size)
            left -= length
            packed = word & ~_PLAIN_DATA
            if not packed:
                yield from zeros(length)
                continue
            piece = self._data(at, word)
            at += packed
            if len(piece) != length:
                raise self.broken("a block of a file is cut short")
            yield piece
        if left:
            piece = self._fragment(inode.fragment)[inode.offset : inode.offset + left]
            if len(piece) != left:
                raise self.broken("the end of a file is cut short")
            yield piece

    def may_unpack(self, inode: Inode) -> bool:
        """Whether the image may have so much data, holes and all, that of files asked about before
        included.
        """
        self._unpacks += inode.size
        return self._unpacks <= self._most_unpacked

    def _data(self, at: int, word: int) -> bytes:
        if word & ~_PLAIN_DATA > self.block_size:
            raise self.broken("a block is larger than it may be")
        data = self.bytes_at(at, word & ~_PLAIN_DATA, "data lie behind its end")
        return data if word & _PLAIN_DATA else self._unpacked(data, self.block_size)

    def _fragment(self, number: int) -> bytes:
        """A block that has the ends of several files. Those used last are kept."""
        if number in self._fragments:
            self._fragments.move_to_end(number)
            return self._fragments[number]
        if len(self._fragments) >= _FRAGMENTS_KEPT:
            self._fragments.popitem(last=False)
        found = self._fragments[number] = self._data(*self._ends[number])
        return found
