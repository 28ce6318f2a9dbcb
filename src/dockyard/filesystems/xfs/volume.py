"""Reads the structures of XFS version 5: superblock, inodes, block maps, directories.

Layout: "XFS Algorithms & Data Structures" and fs/xfs/libxfs/xfs_format.h of Linux. All numbers are
big-endian. Read-only, over a memory map of the image; the log is taken to be clean. Not understood,
and refused: version 4, realtime and metadata directories, a file system marked for repair.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import PIECE, zeros

_SPARSE_OR_NAMED = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80
_HAS_FILE_TYPES = 0x1
_CORE = 176
_BIG_TIME, _LARGE_COUNTS = 1 << 3, 1 << 4
_TIME_ORIGIN = -(1 << 31) * NANOSECONDS
_BLOCK_HEADER = 72
_DIRECTORY_END = 32 << 30
_DIRECTORY_HEADER = 64

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
        block = self.data[:512]
        if block[:4] != b"XFSB" or len(block) < 512:
            raise self.broken("it has no superblock")
        incompatible = _u32(block, 216)
        if _u16(block, 100) & 15 != 5 or incompatible & ~_SPARSE_OR_NAMED:
            raise self.broken("it is not of version 5, or has features not understood")
        self.block_size = _u32(block, 4)
        self.uuid = uuid.UUID(bytes=block[32:48])
        self.root = _u64(block, 56)
        self._group_blocks = _u32(block, 84)
        self.inode_size = _u16(block, 104)
        self.label = block[108:120].rstrip(b"\0").decode(errors="replace")
        self._inodes_log = block[123]
        self._group_log = block[124]
        self._directory_block = self.block_size << block[192]
        self._has_file_types = bool(incompatible & _HAS_FILE_TYPES)

    def _place(self, block: int) -> int:
        """Where a block is: its number is of its group and within it."""
        group, index = block >> self._group_log, block & (1 << self._group_log) - 1
        return (group * self._group_blocks + index) * self.block_size

    def inode_place(self, number: int) -> int:
        """Where an inode is in the image."""
        index = number & (1 << self._inodes_log) - 1
        return self._place(number >> self._inodes_log) + index * self.inode_size

    def inode(self, number: int) -> Inode:
        """An inode by its number, which says where it is."""
        raw = self.bytes_at(self.inode_place(number), self.inode_size)
        if raw[:2] != b"IN" or raw[4] != 3:
            raise self.broken(f"there is no inode {number}")
        flags = _u64(raw, 120)
        offset = raw[82] * 8
        large = bool(flags & _LARGE_COUNTS)
        counts = (_u64(raw, 24), _u32(raw, 76)) if large else (_u32(raw, 76), _u16(raw, 80))
        end = _CORE + offset if offset else len(raw)
        return Inode(
            number=number,
            mode=_u16(raw, 2),
            uid=_u32(raw, 8),
            gid=_u32(raw, 12),
            size=_u64(raw, 56),
            mtime_ns=_time(raw, 40, bool(flags & _BIG_TIME)),
            links=_u32(raw, 16),
            data=Fork(raw[5], raw[_CORE:end], counts[0]),
            attributes=Fork(raw[83], raw[end:], counts[1]) if offset else None,
        )

    def extents(self, fork: Fork) -> Iterator[Extent]:
        """Where the written blocks of a fork lie, in logical order; the rest is holes."""
        if fork.form == EXTENTS:
            yield from self._records(fork.content, 0, fork.extents)
        elif fork.form == TREE:
            level, count = _u16(fork.content, 0), _u16(fork.content, 2)
            yield from self._children(fork.content, 4, count, level)

    def _children(self, node: bytes, at: int, count: int, level: int) -> Iterator[Extent]:
        pointers = at + (len(node) - at) // 16 * 8
        for index in range(count):
            child = self.bytes_at(self._place(_u64(node, pointers + 8 * index)), self.block_size)
            if child[:4] != b"BMA3" or _u16(child, 4) != level - 1:
                raise self.broken("a block map is damaged")
            if level == 1:
                yield from self._records(child, _BLOCK_HEADER, _u16(child, 6))
            else:
                yield from self._children(child, _BLOCK_HEADER, _u16(child, 6), level - 1)

    def _records(self, data: bytes, at: int, count: int) -> Iterator[Extent]:
        if at + 16 * count > len(data):
            raise self.broken("a block map is damaged")
        for high, low in struct.iter_unpack(">QQ", data[at : at + 16 * count]):
            if not high >> 63:  # else it is not written yet
                block = (high & 0x1FF) << 43 | low >> 21
                yield Extent(high >> 9 & (1 << 54) - 1, self._place(block), low & (1 << 21) - 1)

    def pieces(self, inode: Inode) -> Iterator[bytes]:
        """The data of a file in pieces of at most 1 MiB; holes are zeros."""
        done = 0
        for extent in self.extents(inode.data):
            start = min(extent.logical * self.block_size, inode.size)
            yield from zeros(start - done)
            left = min(extent.count * self.block_size, inode.size - start)
            for offset in range(0, left, PIECE):
                yield self.bytes_at(extent.at + offset, min(PIECE, left - offset))
            done = start + left
        yield from zeros(inode.size - done)

    def names(self, inode: Inode) -> Iterator[tuple[bytes, int]]:
        """Names and inode numbers in a directory."""
        if inode.data.form == LOCAL:
            yield from self._short_names(inode.data.content)
            return
        per_block = self._directory_block // self.block_size
        blocks: dict[int, bytearray] = {}
        for extent in self.extents(inode.data):
            for index in range(extent.count):
                logical = extent.logical + index
                if logical * self.block_size >= _DIRECTORY_END:
                    continue  # indices, not names
                block = self.bytes_at(extent.at + index * self.block_size, self.block_size)
                blocks.setdefault(logical // per_block, bytearray()).extend(block)
        for content in blocks.values():
            yield from self._block_names(bytes(content))

    def _short_names(self, content: bytes) -> Iterator[tuple[bytes, int]]:
        count, wide = content[0], content[1]
        size = 8 if wide else 4
        at = 2 + size
        for _ in range(count):
            length = content[at]
            name = content[at + 3 : at + 3 + length]
            at += 3 + length + self._has_file_types
            yield name, int.from_bytes(content[at : at + size], "big")
            at += size

    def _block_names(self, block: bytes) -> Iterator[tuple[bytes, int]]:
        end = len(block)
        if block[:4] == b"XDB3":
            end -= 8 + 8 * _u32(block, end - 8)
        elif block[:4] != b"XDD3":
            raise self.broken("a directory is damaged")
        at = _DIRECTORY_HEADER
        while at < end:
            if block[at : at + 2] == b"\xff\xff":
                length = _u16(block, at + 2)
                if not length:
                    raise self.broken("a directory is damaged")
                at += length
                continue
            length = block[at + 8]
            name = block[at + 9 : at + 9 + length]
            if name not in (b".", b".."):
                yield name, _u64(block, at)
            at += 11 + length + self._has_file_types + 7 & ~7


def _time(raw: bytes, at: int, big: bool) -> int:
    if big:
        return _u64(raw, at) + _TIME_ORIGIN
    seconds, fraction = struct.unpack_from(">iI", raw, at)
    return int(seconds * NANOSECONDS + fraction)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")
