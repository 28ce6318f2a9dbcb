"""Reads the structures of XFS, versions 4 and 5: inodes, their forks, block maps, data of files.

Layout: "XFS Algorithms & Data Structures" and fs/xfs/libxfs/xfs_format.h of Linux. All numbers are
big-endian. Read-only, over a memory map of the image. What a log has that was not replayed is put
into a copy-on-write map (see `replay`); `replayed` numbers the 256 bytes each that this changed.
Metadata of version 5 are verified by their checksums.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import PIECE, zeros
from dockyard.filesystems.xfs import superblock

_CORE, _CORE_V4 = 176, 100
_INODE = struct.Struct(">2xHBBHIII4xQ8xiI8xQ12xIHBB6xH")
_REAL_TIME = 0x1
_BIG_TIME, _LARGE_COUNTS = 1 << 3, 1 << 4
_TIME_ORIGIN = -(1 << 31) * NANOSECONDS
_BLOCK_HEADER, _BLOCK_HEADER_V4 = 72, 24
_INODE_CHECKSUM_AT, _BLOCK_CHECKSUM_AT = 100, 64
_MOST_LEVELS = 16
_REGULAR = 0o100000
# As chattr(1) sets them.
FLAG_BITS = {"i": 0x8, "a": 0x10, "S": 0x20, "A": 0x40, "d": 0x80}
_RECORD = struct.Struct(">QQ")

DEVICE, LOCAL, EXTENTS, TREE = range(4)


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork of an inode: how its content is kept, the bytes in the inode, and how many extents."""

    form: int
    content: bytes
    extents: int


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode: what of it an archive needs."""

    number: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int
    data: Fork
    attributes: Fork | None
    flags: int


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` blocks of a fork from its block `logical` on, lying at byte `at` of the image."""

    logical: int
    at: int
    count: int


class Volume(MappedImage):
    """An image of xfs."""

    kind = "xfs"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        try:
            self.superblock = superblock.parse(self.data[: superblock.SIZE])
            sector = int.from_bytes(self.data[102:104], "big")
            superblock.check(self.data[:sector], self.superblock)
        except superblock.Refused as error:
            raise self.broken(error.why, error.fix) from error
        made = self.superblock
        self.block_size = made.block_size
        self.uuid = made.uuid
        self.root = made.root
        self.inode_size = made.inode_size
        self.label = made.label
        self.is_v5 = made.is_v5
        self.core = _CORE if made.is_v5 else _CORE_V4
        self.replayed: frozenset[int] = frozenset()

    def check(self, at: int, block: bytes, checksum_at: int, name: str) -> None:
        """Verify the checksum of metadata at byte `at`, unless the log has newer content."""
        if not self.is_v5 or (self.replayed and self._is_replayed(at, len(block))):
            return
        kept = int.from_bytes(block[checksum_at : checksum_at + 4], "little")
        cleared = block[:checksum_at] + b"\0\0\0\0" + block[checksum_at + 4 :]
        if crc32c(cleared) != kept:
            raise self.broken(f"the checksum of {name} is wrong")

    def _is_replayed(self, at: int, length: int) -> bool:
        return not self.replayed.isdisjoint(range(at >> 8, at + length + 255 >> 8))

    def place(self, block: int) -> int:
        """Where a block is: its number is of its group and within it."""
        made = self.superblock
        group, index = block >> made.group_log, block & (1 << made.group_log) - 1
        if group >= made.groups or index >= made.group_blocks:
            raise self.broken(f"there is no block {block}")
        return (group * made.group_blocks + index) * self.block_size

    def inode_place(self, number: int) -> int:
        """Where an inode is in the image."""
        log = self.superblock.inodes_log
        return self.place(number >> log) + (number & (1 << log) - 1) * self.inode_size

    def inode(self, number: int, *, verify: bool = False) -> Inode:
        """An inode by its number, which says where it is."""
        at = self.inode_place(number)
        raw = self.bytes_at(at, self.inode_size)
        version = raw[4]
        if raw[:2] != b"IN" or (version != 3 if self.is_v5 else version not in (1, 2)):
            raise self.broken(f"there is no inode {number}")
        if self.is_v5 and _u64(raw, 152) != number:
            raise self.broken(f"there is no inode {number}")
        if verify:
            self.check(at, raw, _INODE_CHECKSUM_AT, f"inode {number}")
        (
            mode, _, form, old_links, uid, gid, links, large_count, seconds, fraction, size,
            count, small_count, words, attribute_form, flags,
        ) = _INODE.unpack_from(raw)  # fmt: skip
        more = _u64(raw, 120) if self.is_v5 else 0
        if flags & _REAL_TIME and mode & 0o170000 == _REGULAR and size:
            raise self.broken(f"the data of inode {number} are on a real-time device")
        counts = (large_count, count) if more & _LARGE_COUNTS else (count, small_count)
        end = self.core + words * 8 if words else len(raw)
        if more & _BIG_TIME:
            mtime = _u64(raw, 40) + _TIME_ORIGIN
        else:
            mtime = seconds * NANOSECONDS + fraction
        return Inode(
            number, mode, uid, gid, size, mtime, old_links if version == 1 else links,
            Fork(form, raw[self.core : end], counts[0]),
            Fork(attribute_form, raw[end:], counts[1]) if words else None, flags,
        )  # fmt: skip

    def extents(self, fork: Fork) -> Iterator[Extent]:
        """Where the written blocks of a fork lie, in logical order; the rest is holes."""
        if fork.form == EXTENTS:
            found = self._records(fork.content, 0, fork.extents)
        elif fork.form == TREE:
            level, count = _u16(fork.content, 0), _u16(fork.content, 2)
            if not 0 < level <= _MOST_LEVELS:
                raise self.broken("a block map is damaged")
            found = self._children(fork.content, 4, count, level, set())
        else:
            raise self.broken(f"a fork is of the unknown form {fork.form}")
        done = 0
        for extent in found:
            if extent.logical < done or not extent.count:
                raise self.broken("a block map is damaged")
            done = extent.logical + extent.count
            yield extent

    def _children(
        self, node: bytes, at: int, count: int, level: int, visited: set[int]
    ) -> Iterator[Extent]:
        pointers = at + (len(node) - at) // 16 * 8
        header = _BLOCK_HEADER if self.is_v5 else _BLOCK_HEADER_V4
        if pointers + 8 * count > len(node):
            raise self.broken("a block map is damaged")
        for index in range(count):
            number = _u64(node, pointers + 8 * index)
            place = self.place(number)
            child = self.bytes_at(place, self.block_size)
            magic = b"BMA3" if self.is_v5 else b"BMAP"
            if child[:4] != magic or _u16(child, 4) != level - 1 or number in visited:
                raise self.broken("a block map is damaged")
            visited.add(number)
            self.check(place, child, _BLOCK_CHECKSUM_AT, f"the block map at {place}")
            if level == 1:
                yield from self._records(child, header, _u16(child, 6))
            else:
                yield from self._children(child, header, _u16(child, 6), level - 1, visited)

    def _records(self, data: bytes, at: int, count: int) -> Iterator[Extent]:
        if at + 16 * count > len(data):
            raise self.broken("a block map is damaged")
        for high, low in _RECORD.iter_unpack(data[at : at + 16 * count]):
            if not high >> 63:  # else it is not written yet
                block = (high & 0x1FF) << 43 | low >> 21
                yield Extent(high >> 9 & (1 << 54) - 1, self.place(block), low & (1 << 21) - 1)

    def blocks(self, fork: Fork) -> Iterator[tuple[int, int]]:
        """The number of each block of a fork with metadata, which share nothing, and its place."""
        left = len(self.data) // self.block_size
        for extent in self.extents(fork):
            left -= extent.count
            if left < 0:
                raise self.broken("a fork of metadata is impossibly large")
            for index in range(extent.count):
                yield extent.logical + index, extent.at + index * self.block_size

    def pieces(self, inode: Inode) -> Iterator[bytes]:
        """The data of a file in pieces of at most 1 MiB; holes are zeros."""
        done, size, block = 0, inode.size, self.block_size
        for extent in self.extents(inode.data):
            start = min(extent.logical * block, size)
            if start > done:
                yield from zeros(start - done)
            left = min(extent.count * block, size - start)
            for offset in range(0, left, PIECE):
                yield self.bytes_at(extent.at + offset, min(PIECE, left - offset))
            done = start + left
        yield from zeros(size - done)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")
