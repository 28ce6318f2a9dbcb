"""Makes an archive of an ext4 image: every attribute, and the data where they lie.

What is left to do for files whose last change was cut off by a crash, the orphans, shows nowhere:
those without a name are not reached, and what lies behind the end of a file is not read.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
from collections import deque
from collections.abc import Iterator
from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, XATTR_SELINUX
from dockyard.archive.flags import letters_of, with_flags
from dockyard.filesystems.ext4.attributes import content, inline_rest, xattrs
from dockyard.filesystems.ext4.directories import names
from dockyard.filesystems.ext4.features import EXTENTS, FLAG_BITS, INLINE_DATA, refusal_of_inode
from dockyard.filesystems.ext4.journal import volume_of
from dockyard.filesystems.ext4.mapping import extents
from dockyard.filesystems.ext4.superblock import FSCK
from dockyard.filesystems.ext4.volume import (
    LOST_AND_FOUND_INODE,
    ROOT_INODE,
    Inode,
    Volume,
)
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.pieces import digest, zeros

_DIRECTORY_TYPE = 2
_FAST_SYMLINK = 60
LOST_AND_FOUND = b"lost+found"


def read(image: Image, *, digests: bool = True) -> Archive:
    """The archive of an image. The empty `lost+found` that mke2fs makes is left out.

    digests: of all files; else only where their data lie is judged.
    """
    volume = volume_of(image)
    volume.begin_listing()
    numbers = inode_numbers(volume)
    with memoryview(volume.data) as view:
        found = entries_of(numbers, volume.inode, partial(_entry, volume, view, digests))
    volume.end_listing()
    source = InodeSource(numbers, partial(_data, volume))
    return Archive(found, (source,))


def inode_numbers(volume: Volume) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""
    found = numbers_by_path(volume, ROOT_INODE, partial(_names, volume))
    if found.get(LOST_AND_FOUND) == LOST_AND_FOUND_INODE and _is_as_made(volume):
        del found[LOST_AND_FOUND]
    return found


def _is_as_made(volume: Volume) -> bool:
    """Whether `lost+found` is as mke2fs makes it, empty and root's alone; it may have a label."""
    inode = volume.inode(LOST_AND_FOUND_INODE)
    if inode.mode != 0o40700 or any(names(volume, inode)):
        return False
    return all(name == XATTR_SELINUX for name, _ in xattrs(volume, inode))


def _names(volume: Volume, number: int) -> Iterator[tuple[bytes, int, bool]]:
    volume.directories.add(number)
    for name, child, kind in names(volume, volume.inode(number)):
        if kind:
            yield name, child, kind == _DIRECTORY_TYPE
        else:
            yield name, child, stat.S_ISDIR(volume.inode(child).mode)


def _data(volume: Volume, number: int) -> Iterator[bytes]:
    for piece in pieces(volume, volume.inode(number), volume.data):
        yield bytes(piece)


def pieces(
    volume: Volume, inode: Inode, data: mmap.mmap | memoryview
) -> Iterator[bytes | memoryview]:
    """The data of a file in pieces of at most 1 MiB, taken of the image's map or a view of it;
    holes are zeros.
    """
    if inode.flags & INLINE_DATA:
        yield from _inline(volume, inode)
        return
    done = 0
    for extent in extents(volume, inode):
        start = extent.logical * volume.block_size
        length = min(extent.blocks * volume.block_size, inode.size - start)
        if length <= 0:
            break  # reserved beyond the end, or what fs-verity keeps there
        yield from zeros(start - done)
        yield from volume.stretch(extent.physical, length, data)
        done = start + length
    yield from zeros(inode.size - done)


def _inline(volume: Volume, inode: Inode) -> Iterator[bytes]:
    """Data in the inode; a file that was made longer afterwards ends with a hole."""
    found = (inode.area + inline_rest(volume, inode))[: inode.size]
    yield found
    yield from zeros(inode.size - len(found))


def _entry(volume: Volume, view: memoryview, digests: bool, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode, f"inode {inode.number}")
    if refused := refusal_of_inode(inode.number, inode.flags):
        raise volume.broken(*refused)
    if not inode.links or (kind is Kind.DIRECTORY and inode.number not in volume.directories):
        raise volume.broken(f"inode {inode.number} is not what its name says", FSCK)
    size, sha256, target, rdev = 0, None, b"", (0, 0)
    if kind is Kind.FILE:
        size = inode.size
        if digests:
            sha256 = _digest(volume, inode, view)
        elif not inode.flags & INLINE_DATA:
            deque(extents(volume, inode), maxlen=0)
    elif kind is Kind.SYMLINK:
        target = _target(volume, inode)
    elif kind in DEVICES:
        rdev = _device(inode.area)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns, size, sha256,
        target, rdev, with_flags(xattrs(volume, inode), letters_of(kind, inode.flags, FLAG_BITS)),
    )  # fmt: skip


def _digest(volume: Volume, inode: Inode, view: memoryview) -> str:
    """The digest of a file's data; most files lie in one place, and are read at once."""
    if inode.size and not inode.flags & INLINE_DATA:
        first = next(extents(volume, inode), None)
        if first and not first.logical and first.blocks * volume.block_size >= inode.size:
            at = first.physical * volume.block_size
            return hashlib.sha256(view[at : at + inode.size]).hexdigest()
    return digest(pieces(volume, inode, view))


def _target(volume: Volume, inode: Inode) -> bytes:
    if inode.size > volume.block_size:
        found = b""
    elif inode.flags & INLINE_DATA:
        found = b"".join(_inline(volume, inode))
    elif inode.size < _FAST_SYMLINK and not inode.flags & EXTENTS:
        found = inode.area[: inode.size]
    else:
        found = content(volume, inode)
    if not found or b"\0" in found:
        raise volume.broken(f"the symbolic link of inode {inode.number} is damaged", FSCK)
    return found


def _device(area: bytes) -> tuple[int, int]:
    """Old numbers are 16 bits in the first word, new ones 32 bits in the second."""
    old, new = struct.unpack_from("<II", area)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return os.major(new), os.minor(new)
