"""An image of ext2, ext3 or ext4: its blocks, its groups and its inodes.

Layout: Documentation/filesystems/ext4 of Linux ("Data Structures and Algorithms"), inodes.rst,
group_descr.rst and checksums.rst. Read-only, over a memory map of the image, into which a journal
may have been replayed (see `journal`).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.crc32c import advanced
from dockyard.filesystems.ext4 import features, superblock
from dockyard.filesystems.image import Image, MappedImage
from dockyard.filesystems.pieces import PIECE

ROOT_INODE = 2
LOST_AND_FOUND_INODE = 11

# The same blocks many times over (shared_blocks) are within reason to this multiple of all.
_MOST_SHARED = 64

_INODE = struct.Struct("<HHI8xi4xHH4xI4x60sIII4x2xHHHH2x")
_EXTRA = struct.Struct("<HH4xI")
_IS_FILE, _IS_DIRECTORY = 0x8000, 0x4000


class Inode(NamedTuple):
    """An inode: what of it an archive needs. `area` is its block map, or its inline data.

    A tuple, since there are many and it is made in half the time.
    """

    number: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int
    flags: int
    generation: int
    area: bytes
    attribute_block: int
    attributes_inside: bytes


class Volume(MappedImage):
    """An image of ext4."""

    kind = "ext4"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        self._budget: int | None = None
        self.directories: set[int] = set()
        self.attributes_of_blocks: dict[int, tuple[tuple[bytes, bytes], ...]] = {}
        self.values_of_inodes: dict[int, bytes] = {}
        self.take_superblock()

    def take_superblock(self) -> None:
        """Take what the superblock says, again when it was changed in memory."""
        block = self.data[superblock.AT : superblock.AT + superblock.SIZE]
        self.facts = superblock.parse(block, len(self.data), self.broken)
        self.block_size = self.facts.block_size
        self.has_checksums = self.facts.has_checksums
        self._tables: dict[int, int] = {}
        self._is_verified = bytearray(self.facts.inodes + 1)

    def block(self, number: int) -> bytes:
        """A block of the file system."""
        if not 0 <= number < self.facts.blocks:
            raise self.broken(f"block {number} is past its end")
        return self.bytes_at(number * self.block_size, self.block_size)

    def stretch(
        self, first: int, length: int, data: mmap.mmap | memoryview
    ) -> Iterator[bytes | memoryview]:
        """`length` bytes from the beginning of a block on, in pieces of at most 1 MiB.

        data: what to take the pieces of, the map of the image or a view of it.
        """
        at, end = first * self.block_size, first * self.block_size + length
        if first < 0 or end > self.facts.blocks * self.block_size:
            raise self.broken(f"block {first} is past its end, or what follows it is")
        for start in range(at, end, PIECE):
            yield data[start : min(start + PIECE, end)]

    def begin_listing(self) -> None:
        """From here on, count what inodes take: no more than the image can hold is listed."""
        shared = self.facts.read_only_compatible & features.SHARED_BLOCKS
        self._budget = self.facts.blocks * (_MOST_SHARED if shared else 2)

    def end_listing(self) -> None:
        """Count no longer: a file may be read any number of times."""
        self._budget = None

    def spend(self, blocks: int) -> None:
        """Count blocks that an inode takes."""
        if self._budget is not None:
            self._budget -= blocks
            if self._budget < 0:
                raise self.broken("its files take more than it can hold", superblock.FSCK)

    def _table_of(self, group: int) -> int:
        """The first block of the inode table of a group."""
        facts = self.facts
        block, at = divmod(facts.descriptor_at(group), facts.block_size)
        raw = self.block(block)[at : at + facts.descriptor_size]
        if facts.has_checksums:
            plain = group.to_bytes(4, "little") + raw[:0x1E] + bytes(2) + raw[0x20:]
            checksum = advanced(facts.checksum_seed, plain) & 0xFFFF
        elif facts.read_only_compatible & features.OLD_CHECKSUMS:
            plain = facts.uuid + group.to_bytes(4, "little") + raw[:0x1E] + raw[0x20:]
            checksum = _crc16(plain)
        else:
            checksum = _u16(raw, 0x1E)
        if checksum != _u16(raw, 0x1E):
            raise self.broken(f"the checksum of block group {group} is wrong", superblock.FSCK)
        high = int.from_bytes(raw[0x28:0x2C], "little") << 32 if facts.is_wide else 0
        return int.from_bytes(raw[8:12], "little") | high

    def inode(self, number: int) -> Inode:
        """An inode by its number."""
        facts = self.facts
        if not 1 <= number <= facts.inodes:
            raise self.broken(f"there is no inode {number}")
        group, index = divmod(number - 1, facts.inodes_per_group)
        size = facts.inode_size
        table = self._tables.get(group)
        if table is None:
            table = self._tables[group] = self._table_of(group)
        at = table * self.block_size + index * size
        raw = self.data[at : at + size]
        if len(raw) != size:
            raise self.broken(f"inode {number} is past its end")
        if self.has_checksums and not self._is_verified[number]:
            self._verify(number, raw)
        return self._parsed(number, raw)

    def _parsed(self, number: int, raw: bytes) -> Inode:
        (
            mode, uid, size, seconds, gid, links, flags, area, generation, attributes, size_high,
            attributes_high, uid_high, gid_high, _,
        ) = _INODE.unpack_from(raw)  # fmt: skip
        kind = mode & 0xF000
        is_large = kind == _IS_FILE or (
            kind == _IS_DIRECTORY and self.facts.incompatible & features.LARGE_DIR
        )
        extra, fraction = 0, 0
        if len(raw) > 128:
            extra, _, fraction = _EXTRA.unpack_from(raw, 128)
            if extra & 3 or 128 + extra > len(raw):
                raise self.broken(f"inode {number} is damaged", superblock.FSCK)
        if extra < 12:
            fraction = 0
        # Two bits of the extra field go on with the seconds, thirty hold nanoseconds.
        mtime_ns = (seconds + ((fraction & 3) << 32)) * NANOSECONDS + (fraction >> 2)
        if is_large:
            size |= size_high << 32
        if self.facts.incompatible & features.WIDE:
            attributes |= attributes_high << 32
        inside = raw[128 + extra :] if extra else b""
        return Inode(
            number, mode, uid | uid_high << 16, gid | gid_high << 16, size, mtime_ns, links,
            flags, generation, area, attributes, inside,
        )  # fmt: skip

    def _verify(self, number: int, raw: bytes) -> None:
        """Compare the checksum of an inode, 16 bits of it in inodes of the old size."""
        if len(raw) > 128 and _u16(raw, 0x80) >= 4:
            plain = raw[:0x7C] + b"\0\0" + raw[0x7E:0x82] + b"\0\0" + raw[0x84:]
            found, mask = raw[0x7C:0x7E] + raw[0x82:0x84], 0xFFFFFFFF
        else:
            plain = raw[:0x7C] + b"\0\0" + raw[0x7E:]
            found, mask = raw[0x7C:0x7E] + b"\0\0", 0xFFFF
        plain = number.to_bytes(4, "little") + raw[0x64:0x68] + plain
        if advanced(self.facts.checksum_seed, plain) & mask != int.from_bytes(found, "little"):
            raise self.broken(f"the checksum of inode {number} is wrong", superblock.FSCK)
        self._is_verified[number] = 1

    def checksum_in(self, inode: Inode, data: bytes) -> int:
        """The checksum of metadata that belong to an inode."""
        owner = inode.number.to_bytes(4, "little") + inode.generation.to_bytes(4, "little")
        return advanced(self.facts.checksum_seed, owner + data)


def _crc16(data: bytes) -> int:
    """The CRC-16 of IBM, begun with ones: the checksum of groups before metadata_csum."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
