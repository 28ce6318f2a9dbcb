"""Reads the structures of ext2, ext3 and ext4: superblock, groups, inodes, block maps, directories.

Layout: Documentation/filesystems/ext4 of Linux ("Data Structures and Algorithms"). Read-only, over
a memory map of the image. Not understood, and refused: a journal that is still to be replayed,
compression, encryption, external journals, values of attributes in inodes of their own.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.image import Image, MappedImage

ROOT_INODE = 2
LOST_AND_FOUND_INODE = 11

_MAGIC = 0xEF53
_64BIT = 0x80
_NEEDS_RECOVERY = 0x4
_META_BG = 0x10
# filetype, meta_bg, extents, 64bit, mmp, flex_bg, csum_seed, largedir, inline_data
_UNDERSTOOD = 0x2 | _META_BG | 0x40 | _64BIT | 0x100 | 0x200 | 0x2000 | 0x4000 | 0x8000
_USES_EXTENTS = 0x80000
INLINE_DATA = 0x10000000
_EXTENT_MAGIC = 0xF30A
_UNWRITTEN = 32768

_EXTENT_HEADER = struct.Struct("<HHHHI")
_EXTENT = struct.Struct("<IHHI")
_EXTENT_INDEX = struct.Struct("<IIHH")
_DIRENT = struct.Struct("<IHBB")


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode: what of it an archive needs. `area` is its block map, or its inline data."""

    number: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int
    flags: int
    area: bytes
    attribute_block: int
    attributes_inside: bytes


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` blocks of a file from its block `logical` on, lying at `physical` in the image."""

    logical: int
    physical: int
    count: int


class Volume(MappedImage):
    """An image of ext4."""

    kind = "ext4"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        block = self.data[1024:2048]
        if len(block) < 1024 or _u16(block, 0x38) != _MAGIC:
            raise self.broken("it has no superblock")
        incompatible = _u32(block, 0x60)
        if incompatible & _NEEDS_RECOVERY:
            raise self.broken("its journal is not replayed", "unmount it, or run e2fsck on it")
        if incompatible & ~_UNDERSTOOD:
            raise self.broken(f"it has features not understood: {incompatible & ~_UNDERSTOOD:#x}")
        self.block_size = 1024 << _u32(block, 0x18)
        self.inodes = _u32(block, 0)
        self.uuid = uuid.UUID(bytes=block[0x68:0x78])
        self.hash_seed = uuid.UUID(bytes=block[0xEC:0xFC])
        self.label = block[0x78:0x88].rstrip(b"\0").decode(errors="replace")
        self._inodes_per_group = _u32(block, 0x28)
        self._inode_size = _u16(block, 0x58) if _u32(block, 0x4C) else 128
        self._has_file_types = bool(incompatible & 0x2)
        self._tables = self._inode_tables(block, incompatible)

    def _inode_tables(self, superblock: bytes, incompatible: int) -> list[int]:
        """For each group the first block of its inode table."""
        wide = bool(incompatible & _64BIT)
        size = _u16(superblock, 0xFE) if wide else 32
        blocks = _u32(superblock, 4) | (_u32(superblock, 0x150) << 32 if wide else 0)
        first, per_group = _u32(superblock, 0x14), _u32(superblock, 0x20)
        groups = -(-(blocks - first) // per_group)
        meta_from = _u32(superblock, 0x104) if incompatible & _META_BG else groups
        per_block = self.block_size // size
        tables = []
        for group in range(groups):
            at = (first + 1) * self.block_size + group * size
            if group // per_block >= meta_from:
                leader = group - group % per_block
                start = first + leader * per_group
                at = (start + _has_superblock(leader)) * self.block_size + group % per_block * size
            descriptor = self.data[at : at + size]
            high = _u32(descriptor, 0x28) << 32 if size >= 64 else 0
            tables.append(_u32(descriptor, 8) | high)
        return tables

    def block(self, number: int) -> bytes:
        """A block of the image."""
        at = number * self.block_size
        return self.bytes_at(at, self.block_size, f"block {number} is past its end")

    def inode(self, number: int) -> Inode:
        """An inode by its number."""
        if not 1 <= number <= self.inodes:
            raise self.broken(f"there is no inode {number}")
        group, index = divmod(number - 1, self._inodes_per_group)
        at = self._tables[group] * self.block_size + index * self._inode_size
        raw = self.bytes_at(at, self._inode_size, f"inode {number} is past its end")
        extra = _u16(raw, 0x80) if self._inode_size > 128 else 0
        seconds: int = struct.unpack_from("<i", raw, 0x10)[0]
        fraction = _u32(raw, 0x88) if extra >= 12 else 0
        mode = _u16(raw, 0)
        is_large = mode & 0xF000 in (0x8000, 0x4000)
        return Inode(
            number=number,
            mode=mode,
            uid=_u16(raw, 2) | _u16(raw, 0x78) << 16,
            gid=_u16(raw, 0x18) | _u16(raw, 0x7A) << 16,
            size=_u32(raw, 4) | (_u32(raw, 0x6C) << 32 if is_large else 0),
            # Two bits of the extra field go on with the seconds, thirty hold nanoseconds.
            mtime_ns=(seconds + ((fraction & 3) << 32)) * NANOSECONDS + (fraction >> 2),
            links=_u16(raw, 0x1A),
            flags=_u32(raw, 0x20),
            area=raw[0x28:0x64],
            attribute_block=_u32(raw, 0x68) | _u16(raw, 0x76) << 32,
            attributes_inside=raw[128 + extra :] if extra else b"",
        )

    def extents(self, inode: Inode) -> Iterator[Extent]:
        """Where the written blocks of an inode lie, in logical order; the rest is holes."""
        if inode.flags & _USES_EXTENTS:
            yield from self._extents(inode.area, inode.number, 6)
        else:
            yield from self._mapped(inode)

    def _extents(self, node: bytes, number: int, most_depth: int) -> Iterator[Extent]:
        magic, entries, _, depth, _ = _EXTENT_HEADER.unpack_from(node)
        if magic != _EXTENT_MAGIC or depth > most_depth or 12 + 12 * entries > len(node):
            raise self.broken(f"the extents of inode {number} are damaged")
        for index in range(entries):
            at = 12 + 12 * index
            if depth:
                _, low, high, _ = _EXTENT_INDEX.unpack_from(node, at)
                yield from self._extents(self.block(low | high << 32), number, depth - 1)
            else:
                logical, count, high, low = _EXTENT.unpack_from(node, at)
                if count <= _UNWRITTEN:
                    yield Extent(logical, low | high << 32, count)

    def _mapped(self, inode: Inode) -> Iterator[Extent]:
        """The block map of ext2: twelve blocks, then one, two and three levels of indirection."""
        numbers = struct.unpack("<15I", inode.area)
        logical = 0
        for number in numbers[:12]:
            if number:
                yield Extent(logical, number, 1)
            logical += 1
        for level, number in enumerate(numbers[12:], 1):
            yield from self._indirect(number, level, logical)
            logical += (self.block_size // 4) ** level

    def _indirect(self, number: int, level: int, logical: int) -> Iterator[Extent]:
        if not number:
            return
        step = (self.block_size // 4) ** (level - 1)
        for (child,) in struct.iter_unpack("<I", self.block(number)):
            if child and level > 1:
                yield from self._indirect(child, level - 1, logical)
            elif child:
                yield Extent(logical, child, 1)
            logical += step

    def content(self, inode: Inode) -> bytes:
        """All bytes of an inode that keeps blocks."""
        if inode.size > len(self.data):
            raise self.broken(f"inode {inode.number} is impossibly large")
        content = bytearray(inode.size)
        for extent in self.extents(inode):
            start = extent.logical * self.block_size
            count = min(extent.count * self.block_size, inode.size - start)
            at = extent.physical * self.block_size
            if count > 0:
                content[start : start + count] = self.data[at : at + count]
        if len(content) != inode.size:
            raise self.broken(f"inode {inode.number} is past its end")
        return bytes(content)

    def names(self, blocks: bytes) -> Iterator[tuple[bytes, int, int]]:
        """Names, inode numbers and file types in the blocks of a directory. The inner nodes of a
        hashed directory look like unused entries and are passed over.
        """
        at = 0
        while at + 8 <= len(blocks):
            number, length, size, kind = _DIRENT.unpack_from(blocks, at)
            if not self._has_file_types:
                size, kind = size | kind << 8, 0
            if length in (0, 65535):  # how a length of 64 KiB is written
                length = 65536
            name = blocks[at + 8 : at + 8 + size]
            if number and size and name not in (b".", b".."):
                if length < 8 + size or len(name) != size or b"/" in name or b"\0" in name:
                    raise self.broken("a directory is damaged")
                yield name, number, kind
            at += length


def _has_superblock(group: int) -> bool:
    """Whether a group has a copy of the superblock (sparse_super): 0, 1 and powers of 3, 5, 7."""
    if group <= 1:
        return True
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return True
    return False


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
