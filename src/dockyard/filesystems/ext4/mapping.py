"""Where the data of an inode lie: extents of ext4, and the block maps of ext2 and ext3.

Layout: Documentation/filesystems/ext4/ifork.rst of Linux. Extents must be in ascending order and
each block of a tree is visited once, so that no tree, however damaged, is endless.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dockyard.filesystems.ext4.features import EXTENTS
from dockyard.filesystems.ext4.superblock import FSCK
from dockyard.filesystems.ext4.volume import Inode, Volume

_MAGIC = 0xF30A
_DEEPEST = 5
_UNWRITTEN = 32768
_HEADER = struct.Struct("<HHHH4x")
_EXTENT = struct.Struct("<IHHI")
_INDEX = struct.Struct("<IIH2x")


class Extent(NamedTuple):
    """So many blocks of a file from its block `logical` on, lying at `physical` in the image."""

    logical: int
    physical: int
    blocks: int


def extents(volume: Volume, inode: Inode) -> Iterator[Extent]:
    """Where the written blocks of an inode lie, in logical order; the rest is holes."""
    if inode.flags & EXTENTS:
        return _Tree(volume, inode).extents()
    return _joined(_BlockMap(volume, inode).blocks())


class _Visits:
    """The blocks of the map of one inode, each of which is read once."""

    def __init__(self, volume: Volume, inode: Inode) -> None:
        self.volume, self.inode = volume, inode
        self._visited: set[int] = set()

    def block(self, number: int) -> bytes:
        self.require(number, 1)
        if number in self._visited:
            raise self.volume.broken(f"the map of inode {self.inode.number} has a loop", FSCK)
        self._visited.add(number)
        self.volume.spend(1)
        return self.volume.block(number)

    def require(self, first: int, count: int) -> None:
        """That blocks are such as can hold data."""
        if not self.volume.facts.first_block < first <= self.volume.facts.blocks - count:
            why = f"block {first} of inode {self.inode.number} is past its end"
            raise self.volume.broken(why, FSCK)


class _Tree(_Visits):
    _next = 0

    def extents(self) -> Iterator[Extent]:
        return self._below(self.inode.area, None)

    def _below(self, node: bytes, expected: int | None) -> Iterator[Extent]:
        magic, entries, most, depth = _HEADER.unpack_from(node)
        is_sound = magic == _MAGIC and entries <= most and 12 + 12 * most <= len(node)
        is_sound = is_sound and (depth <= _DEEPEST if expected is None else depth == expected)
        if not is_sound or (depth and not entries):
            raise self._damaged()
        if expected is not None:
            self._verify(node, 12 + 12 * most)
        for at in range(12, 12 + 12 * entries, 12):
            if depth:
                logical, low, high = _INDEX.unpack_from(node, at)
                if logical < self._next:
                    raise self._damaged()
                yield from self._below(self.block(low | high << 32), depth - 1)
            elif (found := self._extent(node, at)) is not None:
                yield found

    def _extent(self, node: bytes, at: int) -> Extent | None:
        """An extent, None for one that is reserved and not written."""
        logical, count, high, low = _EXTENT.unpack_from(node, at)
        is_written = count <= _UNWRITTEN
        count -= 0 if is_written else _UNWRITTEN
        first = low | high << 32
        if logical < self._next or not count:
            raise self._damaged()
        self.require(first, count)
        self._next = logical + count
        self.volume.spend(count)
        return Extent(logical, first, count) if is_written else None

    def _verify(self, node: bytes, at: int) -> None:
        if self.volume.has_checksums and at + 4 <= len(node):
            checksum = self.volume.checksum_in(self.inode, node[:at])
            if checksum != int.from_bytes(node[at : at + 4], "little"):
                why = f"the checksum of the extents of inode {self.inode.number} is wrong"
                raise self.volume.broken(why, FSCK)

    def _damaged(self) -> Exception:
        return self.volume.broken(f"the extents of inode {self.inode.number} are damaged", FSCK)


class _BlockMap(_Visits):
    """Twelve blocks, then one, two and three levels of indirection."""

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Logical and physical numbers of blocks."""
        numbers = struct.unpack("<15I", self.inode.area)
        yield from self._leaves(enumerate(numbers[:12]))
        per_block = self.volume.block_size // 4
        logical = 12
        for level, number in enumerate(numbers[12:], 1):
            yield from self._indirect(number, level, logical)
            logical += per_block**level

    def _indirect(self, number: int, level: int, logical: int) -> Iterator[tuple[int, int]]:
        if not number:
            return
        children = struct.unpack(f"<{self.volume.block_size // 4}I", self.block(number))
        if level == 1:
            yield from self._leaves(enumerate(children, logical))
            return
        step = (self.volume.block_size // 4) ** (level - 1)
        for child in children:
            yield from self._indirect(child, level - 1, logical)
            logical += step

    def _leaves(self, found: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for logical, number in found:
            if number:
                self.require(number, 1)
                self.volume.spend(1)
                yield logical, number


def _joined(blocks: Iterator[tuple[int, int]]) -> Iterator[Extent]:
    """Extents of blocks that lie one after the other."""
    start = begin = count = 0
    for logical, physical in blocks:
        if count and logical == start + count and physical == begin + count:
            count += 1
            continue
        if count:
            yield Extent(start, begin, count)
        start, begin, count = logical, physical, 1
    if count:
        yield Extent(start, begin, count)
