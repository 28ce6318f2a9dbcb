"""Makes an archive of an ext4 image: every attribute, and the data where they lie."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES
from dockyard.filesystems.ext4.attributes import inline_rest, xattrs
from dockyard.filesystems.ext4.volume import (
    INLINE_DATA,
    LOST_AND_FOUND_INODE,
    ROOT_INODE,
    Inode,
    Volume,
)
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.pieces import PIECE, digest, zeros

_DIRECTORY_TYPE = 2
_FAST_SYMLINK = 60
_LOST_AND_FOUND = b"lost+found"


def read(image: Image) -> Archive:
    """The archive of an image. The empty `lost+found` that mke2fs makes is left out."""
    volume = Volume(image)
    numbers = inode_numbers(volume)
    found = entries_of(numbers, volume.inode, partial(_entry, volume))
    source = InodeSource(numbers, lambda number: pieces(volume, volume.inode(number)))
    return Archive(found, (source,))


def inode_numbers(volume: Volume) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""
    found = numbers_by_path(volume, ROOT_INODE, partial(_names, volume))
    if found.get(_LOST_AND_FOUND) == LOST_AND_FOUND_INODE and _is_as_made(volume):
        del found[_LOST_AND_FOUND]
    return found


def _is_as_made(volume: Volume) -> bool:
    """Whether `lost+found` is as mke2fs makes it, empty and root's alone."""
    inode = volume.inode(LOST_AND_FOUND_INODE)
    if inode.mode != 0o40700 or any(volume.names(directory_blocks(volume, inode))):
        return False
    return not xattrs(volume, inode)


def _names(volume: Volume, number: int) -> Iterator[tuple[bytes, int, bool]]:
    for name, child, kind in list(volume.names(directory_blocks(volume, volume.inode(number)))):
        if kind:
            yield name, child, kind == _DIRECTORY_TYPE
        else:
            yield name, child, stat.S_ISDIR(volume.inode(child).mode)


def directory_blocks(volume: Volume, inode: Inode) -> bytes:
    """The bytes of a directory that hold its names."""
    if not stat.S_ISDIR(inode.mode):
        raise volume.broken(f"inode {inode.number} is not a directory")
    if inode.flags & INLINE_DATA:
        return inode.area[4:] + inline_rest(volume, inode)
    return volume.content(inode)


def pieces(volume: Volume, inode: Inode) -> Iterator[bytes]:
    """The data of a file in pieces of at most 1 MiB; holes are zeros."""
    if inode.flags & INLINE_DATA:
        yield (inode.area + inline_rest(volume, inode))[: inode.size]
        return
    block, done = volume.block_size, 0
    for extent in volume.extents(inode):
        start = min(extent.logical * block, inode.size)
        yield from zeros(start - done)
        at, left = extent.physical * block, min(extent.count * block, inode.size - start)
        if left > 0 and at + left > len(volume.data):
            raise volume.broken(f"inode {inode.number} is past its end")
        for offset in range(at, at + left, PIECE):
            yield volume.data[offset : min(offset + PIECE, at + left)]
        done = start + max(left, 0)
    yield from zeros(inode.size - done)


def _entry(volume: Volume, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode, f"inode {inode.number}")
    size, sha256, target, rdev = 0, None, b"", (0, 0)
    if kind is Kind.FILE:
        size = inode.size
        sha256 = digest(pieces(volume, inode))
    elif kind is Kind.SYMLINK:
        target = _target(volume, inode)
    elif kind in DEVICES:
        rdev = _device(inode.area)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns, size, sha256,
        target, rdev, xattrs(volume, inode),
    )  # fmt: skip


def _target(volume: Volume, inode: Inode) -> bytes:
    if inode.flags & INLINE_DATA:
        return (inode.area + inline_rest(volume, inode))[: inode.size]
    if inode.size < _FAST_SYMLINK:
        return inode.area[: inode.size]
    return volume.content(inode)


def _device(area: bytes) -> tuple[int, int]:
    """Old numbers are 16 bits in the first word, new ones 32 bits in the second."""
    old, new = struct.unpack_from("<II", area)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return os.major(new), os.minor(new)
