"""Reads the structures of Btrfs on one device: superblock, chunks and trees.

Layout: include/uapi/linux/btrfs_tree.h of Linux. All numbers are little-endian. Logical addresses
are mapped to the device by chunks; every tree is of blocks of one size, its leaves hold items by
key (object, type, offset). Not understood, and refused: more devices, striping, an unreplayed log.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from dockyard.filesystems.image import Image, MappedImage

SUPERBLOCKS = (64 << 10, 64 << 20, 256 << 30)
SUPERBLOCK_SIZE = 4096
HEADER = 101
ITEM = struct.Struct("<QBQII")
POINTER = struct.Struct("<QBQQQ")

INODE_ITEM, XATTR_ITEM, DIR_ITEM, DIR_INDEX, EXTENT_DATA = 1, 24, 84, 96, 108
ROOT_ITEM, DEV_EXTENT, DEV_ITEM, CHUNK_ITEM, UUID_SUBVOLUME = 132, 204, 216, 228, 251
FILES_TREE, FIRST_INODE = 5, 256

_MAGIC = b"_BHRfS_M"
_UNDERSTOOD = 0xFFF | 0x10000
_FOR_DATA = 0x1
_STRIPED = 0x8 | 0x40 | 0x80 | 0x100
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")
_MOST_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a leaf: its key, and where its bytes lie in the leaf."""

    object: int
    type: int
    offset: int
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A range of logical addresses and where its copies begin on the device."""

    logical: int
    length: int
    kind: int
    places: tuple[int, ...]


class Volume(MappedImage):
    """An image of btrfs."""

    kind = "btrfs"

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        block = self.data[SUPERBLOCKS[0] : SUPERBLOCKS[0] + SUPERBLOCK_SIZE]
        if block[64:72] != _MAGIC:
            raise self.broken("it has no superblock")
        self.superblock = block
        self.uuid = UUID(bytes=block[32:48])
        self.root, self.chunk_root, log = struct.unpack_from("<QQQ", block, 80)
        (devices,) = struct.unpack_from("<Q", block, 136)
        (self.node_size,) = struct.unpack_from("<I", block, 148)
        (incompatible,) = struct.unpack_from("<Q", block, 188)
        (self.checksum_type,) = struct.unpack_from("<H", block, 196)
        self.label = block[299:555].partition(b"\0")[0].decode(errors="replace")
        if devices != 1 or incompatible & ~_UNDERSTOOD:
            raise self.broken("it is of several devices, or has features not understood")
        if log:
            raise self.broken("its log is not replayed", "mount and unmount it once")
        self._chunks: list[Chunk] = []
        self._starts: list[int] = []
        (size,) = struct.unpack_from("<I", block, 160)
        self._take_system_chunks(block[811 : 811 + size])
        for leaf, items in list(self.leaves(self.chunk_root)):
            for item in items:
                if item.type == CHUNK_ITEM:
                    self._add_chunk(item.offset, leaf, item.at)
        self._order_chunks()

    def _take_system_chunks(self, array: bytes) -> None:
        at = 0
        while at + 17 + _CHUNK.size <= len(array):
            (logical,) = struct.unpack_from("<Q", array, at + 9)
            count = self._add_chunk(logical, array, at + 17)
            at += 17 + _CHUNK.size + count * _STRIPE.size
        self._order_chunks()

    def _add_chunk(self, logical: int, data: bytes, at: int) -> int:
        length, _, _, kind, _, _, _, count, _ = _CHUNK.unpack_from(data, at)
        if kind & _STRIPED:
            raise self.broken("its data are striped")
        places = tuple(
            _STRIPE.unpack_from(data, at + _CHUNK.size + index * _STRIPE.size)[1]
            for index in range(count)
        )
        self._chunks.append(Chunk(logical, length, kind, places))
        return int(count)

    def _order_chunks(self) -> None:
        self._chunks = sorted(set(self._chunks), key=lambda chunk: chunk.logical)
        self._starts = [chunk.logical for chunk in self._chunks]

    def places(self, logical: int) -> tuple[int, ...]:
        """Where the copies of a logical address lie in the image."""
        index = bisect_right(self._starts, logical) - 1
        if index < 0 or logical >= self._chunks[index].logical + self._chunks[index].length:
            raise self.broken(f"no chunk holds the address {logical}")
        chunk = self._chunks[index]
        return tuple(place + logical - chunk.logical for place in chunk.places)

    def data_ranges(self) -> list[tuple[int, int]]:
        """Begin and end in the image of every chunk that holds data of files."""
        return [
            (place, place + chunk.length)
            for chunk in self._chunks
            if chunk.kind & _FOR_DATA
            for place in chunk.places
        ]

    def range(self, logical: int, length: int) -> bytes:
        """Bytes at a logical address, within one chunk."""
        return self.bytes_at(self.places(logical)[0], length)

    def blocks(self, root: int, level: int = _MOST_LEVELS) -> Iterator[tuple[int, bytes]]:
        """All blocks of a tree with their logical addresses, in the order of their keys."""
        block = self.range(root, self.node_size)
        (logical,) = struct.unpack_from("<Q", block, 48)
        if logical != root or block[100] > level:
            raise self.broken(f"the block {root} is damaged")
        yield root, block
        if block[100]:
            (count,) = struct.unpack_from("<I", block, 96)
            for index in range(count):
                child = POINTER.unpack_from(block, HEADER + index * POINTER.size)[3]
                yield from self.blocks(child, block[100] - 1)

    def leaves(self, root: int) -> Iterator[tuple[bytes, list[Item]]]:
        """All leaves of a tree with their items."""
        for _, block in self.blocks(root):
            if not block[100]:
                yield block, self.items(block)

    def items(self, leaf: bytes) -> list[Item]:
        """The items of a leaf."""
        (count,) = struct.unpack_from("<I", leaf, 96)
        end = HEADER + count * ITEM.size
        found = [
            Item(number, kind, offset, HEADER + at, size)
            for number, kind, offset, at, size in ITEM.iter_unpack(leaf[HEADER:end])
        ]
        if any(item.at + item.size > len(leaf) for item in found):
            raise self.broken("a leaf is damaged")
        return found

    def tree_roots(self) -> dict[int, int]:
        """For each tree that the root tree names, the address of its root."""
        return {
            item.object: struct.unpack_from("<Q", leaf, item.at + 176)[0]
            for leaf, items in self.leaves(self.root)
            for item in items
            if item.type == ROOT_ITEM
        }
