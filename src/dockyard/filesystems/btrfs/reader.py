"""Makes an archive of a Btrfs image: the files tree with every attribute, and data where they lie.

Data compressed with zlib and zstd are understood, lzo is not; an image with subvolumes is refused.
"""

from __future__ import annotations

import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import (
    DEVICES,
    NANOSECONDS,
    XATTR_CAPABILITY,
    plain_capability,
)
from dockyard.filesystems.btrfs.volume import (
    DIR_INDEX,
    EXTENT_DATA,
    FILES_TREE,
    FIRST_INODE,
    INODE_ITEM,
    ROOT_ITEM,
    XATTR_ITEM,
    Item,
    Volume,
)
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.pieces import PIECE, digest, zeros

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NAME = struct.Struct("<QBQQHHB")
_INODE = struct.Struct("<QQQQQIIIIQQ")
_MTIME_AT = 136
_EXTENT = struct.Struct("<QQBBHB")
_RANGE = struct.Struct("<QQQQ")
_NONE, _ZLIB, _, _ZSTD = range(4)
_INLINE, _WRITTEN, _ = range(3)


@dataclass(slots=True)
class Inode:
    """An inode: what of it an archive needs, gathered from its items."""

    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    links: int = 0
    device: int = 0
    xattrs: list[tuple[bytes, bytes]] = field(default_factory=list)
    extents: list[tuple[int, bytes]] = field(default_factory=list)
    names: list[tuple[bytes, int]] = field(default_factory=list)


def read(image: Image) -> Archive:
    """The archive of an image."""
    volume = Volume(image)
    inodes = inodes_of(volume)
    numbers = inode_numbers(volume, inodes)
    found = entries_of(numbers, inodes.__getitem__, partial(_entry, volume))
    source = InodeSource(numbers, lambda number: pieces(volume, inodes[number]))
    return Archive(found, (source,))


def inodes_of(volume: Volume) -> dict[int, Inode]:
    """All inodes of the files tree."""
    found: dict[int, Inode] = {}
    for leaf, items in volume.leaves(volume.tree_roots()[FILES_TREE]):
        for item in items:
            if item.type not in (INODE_ITEM, XATTR_ITEM, DIR_INDEX, EXTENT_DATA):
                continue
            inode = found.setdefault(item.object, Inode())
            content = leaf[item.at : item.at + item.size]
            if item.type == INODE_ITEM:
                _take_inode(inode, content)
            elif item.type == EXTENT_DATA:
                inode.extents.append((item.offset, content))
            else:
                _take_names(volume, inode, item, content)
    return found


def _take_inode(inode: Inode, content: bytes) -> None:
    _, _, inode.size, _, _, inode.links, inode.uid, inode.gid, inode.mode, inode.device, _ = (
        _INODE.unpack_from(content)
    )
    seconds, fraction = struct.unpack_from("<qI", content, _MTIME_AT)
    inode.mtime_ns = seconds * NANOSECONDS + fraction


def _take_names(volume: Volume, inode: Inode, item: Item, content: bytes) -> None:
    at = 0
    while at + NAME.size <= len(content):
        child, kind, _, _, length, size, _ = NAME.unpack_from(content, at)
        at += NAME.size
        name, value = content[at : at + size], content[at + size : at + size + length]
        at += size + length
        if item.type == XATTR_ITEM:
            value = plain_capability(value) if name == XATTR_CAPABILITY else value
            inode.xattrs.append((name, value))
        elif kind == ROOT_ITEM:
            raise volume.broken("it has subvolumes")
        else:
            inode.names.append((name, child))


def inode_numbers(volume: Volume, inodes: dict[int, Inode]) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""

    def names(number: int) -> Iterator[tuple[bytes, int, bool]]:
        for name, child in inodes[number].names:
            if child not in inodes:
                raise volume.broken(f"there is no inode {child}")
            yield name, child, stat.S_ISDIR(inodes[child].mode)

    return numbers_by_path(volume, FIRST_INODE, names)


def pieces(volume: Volume, inode: Inode) -> Iterator[bytes]:
    """The data of a file; holes are zeros."""
    done = 0
    for start, extent in inode.extents:
        yield from zeros(min(start, inode.size) - done)
        done = max(done, min(start, inode.size))
        for piece in _extent(volume, extent):
            piece = piece[: max(inode.size - done, 0)]
            done += len(piece)
            yield piece
    yield from zeros(inode.size - done)


def _extent(volume: Volume, extent: bytes) -> Iterator[bytes]:
    _, length, compression, encryption, _, kind = _EXTENT.unpack_from(extent)
    if encryption or compression not in (_NONE, _ZLIB, _ZSTD):
        raise volume.broken("its data are compressed with lzo, or encrypted")
    if kind == _INLINE:
        yield _plain(extent[_EXTENT.size :], compression, length)
        return
    logical, kept, offset, count = _RANGE.unpack_from(extent, _EXTENT.size)
    if kind != _WRITTEN or not logical:
        yield from zeros(count)
    elif compression:
        content = _plain(volume.range(logical, kept), compression, length)
        yield content[offset : offset + count]
    else:
        for at in range(0, count, PIECE):
            yield volume.range(logical + offset + at, min(PIECE, count - at))


def _plain(content: bytes, compression: int, length: int) -> bytes:
    if compression == _ZLIB:
        return zlib.decompressobj().decompress(content, length)
    if compression == _ZSTD:
        return zstd.ZstdDecompressor().decompress(content, length)
    return content


def _entry(volume: Volume, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode)
    sha256, target, rdev = None, b"", (0, 0)
    if kind is Kind.FILE:
        sha256 = digest(pieces(volume, inode))
    elif kind is Kind.SYMLINK:
        target = b"".join(pieces(volume, inode))
    elif kind in DEVICES:
        rdev = (inode.device >> 20, inode.device & 0xFFFFF)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, sha256, target, rdev,
        tuple(sorted(inode.xattrs)),
    )  # fmt: skip
