"""Reads the data of files of Btrfs: written, inline, reserved and compressed extents, and holes."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator, Sequence

from dockyard.filesystems.btrfs import lzo
from dockyard.filesystems.btrfs.volume import EXTENT_DATA, FILES_TREE, FIRST_INODE, Volume
from dockyard.filesystems.pieces import PIECE, zeros

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_EXTENT = struct.Struct("<QQBBHB")
_RANGE = struct.Struct("<QQQQ")
_NONE, ZLIB, LZO, ZSTD = range(4)
_INLINE, _WRITTEN, _RESERVED = range(3)
_MOST_COMPRESSED = 1 << 20  # Linux compresses 128 KiB at most together
_WINDOW = {int(zstd.DecompressionParameter.window_log_max): 20}

Extents = Sequence[tuple[int, bytes]]
"""For each extent of a file its place in the file and its item."""


def most_used(volume: Volume) -> int:
    """How most of the compressed data of files are, by the bytes that they have in the volume; 0
    where none are.
    """
    sizes = dict.fromkeys((ZLIB, LZO, ZSTD), 0)
    roots = volume.tree_roots()
    # Subvolumes have numbers from 256 on, other trees below or at the very end.
    trees = [tree for tree in roots if tree == FILES_TREE or FIRST_INODE <= tree < 1 << 63]
    for tree in trees:
        for leaf, items in volume.leaves(roots[tree]):
            for item in items:
                if item.type == EXTENT_DATA and item.size >= _EXTENT.size:
                    _, length, compression, *_ = _EXTENT.unpack_from(leaf, item.at)
                    if compression in sizes:
                        sizes[compression] += length
    most = max(sizes, key=lambda each: sizes[each])
    return most if sizes[most] else 0


class Data:
    """The data of the files of a volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        # Clones and changed files use parts of one compressed extent again and again.
        self._last: tuple[int, bytes] = (-1, b"")

    def pieces(self, size: int, extents: Extents) -> Iterator[bytes]:
        """The data of a file of `size` bytes in pieces of at most 1 MiB; holes are zeros."""
        done = 0
        for start, extent in extents:
            if start >= size:
                break
            if start < done:
                raise self._volume.broken("the extents of a file overlap")
            if start > done:
                yield from zeros(start - done)
                done = start
            for piece in self._extent(extent, size - start):
                done += len(piece)
                yield piece
        yield from zeros(size - done)

    def _extent(self, extent: bytes, most: int) -> Iterator[bytes]:
        _, length, compression, encryption, encoding, kind = _EXTENT.unpack_from(extent)
        if encryption or encoding:
            raise self._volume.broken("its data are encrypted")
        if kind not in (_INLINE, _WRITTEN, _RESERVED):
            raise self._volume.broken("an extent is damaged")
        if kind == _INLINE:
            yield self._plain(extent[_EXTENT.size :], compression, length)[:most]
            return
        logical, kept, offset, count = _RANGE.unpack_from(extent, _EXTENT.size)
        count = min(count, most)
        if kind != _WRITTEN or not logical:
            yield from zeros(count)
        elif compression:
            last, content = self._last
            if last != logical:
                if kept > _MOST_COMPRESSED:
                    raise self._volume.broken("a compressed extent is impossibly large")
                packed = self._volume.range(logical, kept)
                content = self._plain(packed, compression, length)
                self._last = (logical, content)
            yield content[offset : offset + count]
        else:
            for at in range(0, count, PIECE):
                yield self._volume.range(logical + offset + at, min(PIECE, count - at))

    def _plain(self, content: bytes, compression: int, length: int) -> bytes:
        if compression == _NONE:
            return content
        if length > _MOST_COMPRESSED:
            raise self._volume.broken("a compressed extent is impossibly large")
        if compression == ZLIB:
            return zlib.decompressobj().decompress(content, length) if length else b""
        if compression == LZO:
            return lzo.decompressed(content, self._volume.sector_size, length)
        if compression == ZSTD:
            try:
                return zstd.ZstdDecompressor(options=_WINDOW).decompress(content, length)
            except zstd.ZstdError as error:
                raise self._volume.broken(f"compressed data are damaged ({error})") from error
        raise self._volume.broken(f"its data are compressed in an unknown way ({compression})")
