"""Reads the structures of Btrfs on one device: superblock, chunks and trees.

Layout: include/uapi/linux/btrfs_tree.h of Linux. All numbers are little-endian. Logical addresses
are mapped to the device by chunks; every tree is of blocks of one size, its leaves hold items by
key (object, type, offset). Every block has a checksum; where metadata are kept twice, a sound copy
stands for a damaged one. Refused by name: more devices, striping, a log that was not replayed,
features of other kernels.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from dockyard.filesystems.btrfs.checksums import CHECKSUMS
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
_NAMED = {
    0x1000: "it is for zoned devices",
    0x2000: "it has the second form of the extent tree",
    0x4000: "its data are striped",
}
_META_UUID = 0x400
_FOR_DATA = 0x1
_STRIPED = 0x8 | 0x40 | 0x80 | 0x100
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")
_MOST_LEVELS = 8
_SIZES = tuple(1 << bits for bits in range(12, 17))

Key = tuple[int, int, int]


class Item(NamedTuple):
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
        (self._devices,) = struct.unpack_from("<Q", block, 136)
        self.sector_size, self.node_size = struct.unpack_from("<II", block, 144)
        (self.checksum_type,) = struct.unpack_from("<H", block, 196)
        self.label = block[299:555].partition(b"\0")[0].decode(errors="replace")
        self._check(block, log)
        (incompatible,) = struct.unpack_from("<Q", block, 188)
        self._owner = block[571:587] if incompatible & _META_UUID else block[32:48]
        (self._device,) = struct.unpack_from("<Q", block, 201)
        self._chunks: list[Chunk] = []
        self._starts: list[int] = []
        (size,) = struct.unpack_from("<I", block, 160)
        self._take_system_chunks(block[811 : 811 + min(size, 2048)])
        for leaf, items in list(self.leaves(self.chunk_root)):
            for item in items:
                if item.type == CHUNK_ITEM:
                    self._add_chunk(item.offset, leaf, item.at)
        self._order_chunks()

    def _check(self, block: bytes, log: int) -> None:
        """Refuse what is not read, by name."""
        if self.checksum_type not in CHECKSUMS:
            raise self.broken(f"its checksums are of an unknown kind, {self.checksum_type}")
        if not self._is_sound(block):
            raise self.broken("its superblock is damaged: the checksum is wrong")
        if self._devices != 1:
            raise self.broken(f"it is one of {self._devices} devices of a file system")
        (incompatible,) = struct.unpack_from("<Q", block, 188)
        unknown = incompatible & ~_UNDERSTOOD
        for flag, why in _NAMED.items():
            if unknown & flag:
                raise self.broken(why)
        if unknown:
            raise self.broken(f"it has features not understood: incompat {unknown:#x}")
        if self.sector_size not in _SIZES or self.node_size not in _SIZES:
            raise self.broken("its superblock is damaged")
        if log:
            raise self.broken(
                "what was flushed before it stopped is still in its log tree",
                "mount and unmount it once with a kernel that has Btrfs",
            )

    def _is_sound(self, block: bytes) -> bool:
        length, made = CHECKSUMS[self.checksum_type]
        return made(block[32:]) == block[:length]

    def _take_system_chunks(self, array: bytes) -> None:
        at = 0
        while at + 17 + _CHUNK.size <= len(array):
            (logical,) = struct.unpack_from("<Q", array, at + 9)
            count = self._add_chunk(logical, array, at + 17)
            at += 17 + _CHUNK.size + count * _STRIPE.size
        self._order_chunks()

    def _add_chunk(self, logical: int, data: bytes, at: int) -> int:
        length, _, _, kind, _, _, _, count, _ = _CHUNK.unpack_from(data, at)
        if kind & _STRIPED and count > 1:
            raise self.broken("its data are striped")
        stripes = [
            _STRIPE.unpack_from(data, at + _CHUNK.size + index * _STRIPE.size)
            for index in range(count)
        ]
        places = tuple(place for device, place, _ in stripes if device == self._device)
        if not places or not length:
            raise self.broken("a part of it is on another device")
        self._chunks.append(Chunk(logical, length, kind, places))
        return int(count)

    def _order_chunks(self) -> None:
        self._chunks = sorted(set(self._chunks), key=lambda chunk: chunk.logical)
        self._starts = [chunk.logical for chunk in self._chunks]

    def places(self, logical: int, length: int = 1) -> tuple[int, ...]:
        """Where the copies of a range of logical addresses lie in the image."""
        index = bisect_right(self._starts, logical) - 1
        chunk = self._chunks[index] if index >= 0 else None
        if chunk is None or logical + length > chunk.logical + chunk.length:
            raise self.broken(f"no chunk holds the address {logical}")
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
        return self.bytes_at(self.places(logical, length)[0], length)

    def block(self, logical: int, most_levels: int) -> bytes:
        """A block of a tree: the first of its copies that is sound."""
        for place in self.places(logical, self.node_size):
            block = self.data[place : place + self.node_size]
            if len(block) == self.node_size and self._is_sound(block):
                (own,) = struct.unpack_from("<Q", block, 48)
                if own == logical and block[32:48] == self._owner and block[100] <= most_levels:
                    return block
        raise self.broken(f"the block {logical} is damaged")

    def blocks(self, root: int) -> Iterator[tuple[int, bytes]]:
        """All blocks of a tree with their logical addresses, in the order of their keys."""
        yield from self._below(root, _MOST_LEVELS, set())

    def _below(self, at: int, most_levels: int, visited: set[int]) -> Iterator[tuple[int, bytes]]:
        if at in visited:
            raise self.broken(f"the block {at} is twice in a tree")
        visited.add(at)
        block = self.block(at, most_levels)
        yield at, block
        if block[100]:
            for pointer in self._pointers(block):
                yield from self._below(pointer[3], block[100] - 1, visited)

    def _pointers(self, block: bytes) -> list[tuple[int, int, int, int, int]]:
        (count,) = struct.unpack_from("<I", block, 96)
        end = HEADER + count * POINTER.size
        if end > len(block):
            raise self.broken("a block of a tree is damaged")
        return list(POINTER.iter_unpack(block[HEADER:end]))

    def between(self, root: int, low: Key, high: Key) -> Iterator[tuple[bytes, Item]]:
        """The items of a tree with keys from `low` up to `high`, each with its leaf."""
        pending = [(root, _MOST_LEVELS)]
        while pending:
            at, most_levels = pending.pop()
            block = self.block(at, most_levels)
            if not block[100]:
                for item in self.items(block):
                    if low <= item[:3] <= high:
                        yield block, item
                continue
            pointers = self._pointers(block)
            ends = [pointer[:3] for pointer in pointers[1:]] + [high]
            wanted = [
                (pointer[3], block[100] - 1)
                for pointer, end in zip(pointers, ends, strict=True)
                if pointer[:3] <= high and low <= end
            ]
            pending += wanted[::-1]

    def leaves(self, root: int) -> Iterator[tuple[bytes, list[Item]]]:
        """All leaves of a tree with their items."""
        for _, block in self.blocks(root):
            if not block[100]:
                yield block, self.items(block)

    def items(self, leaf: bytes) -> list[Item]:
        """The items of a leaf."""
        (count,) = struct.unpack_from("<I", leaf, 96)
        end = HEADER + count * ITEM.size
        if end > len(leaf):
            raise self.broken("a leaf is damaged")
        found = [
            Item(number, kind, offset, HEADER + at, size)
            for number, kind, offset, at, size in ITEM.iter_unpack(leaf[HEADER:end])
        ]
        if sum(item.size for item in found) > len(leaf) or any(
            item.at + item.size > len(leaf) for item in found
        ):
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
