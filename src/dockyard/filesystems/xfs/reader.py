"""Makes an archive of an XFS image: every attribute, and the data where they lie."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES
from dockyard.archive.flags import letters_of, with_flags
from dockyard.filesystems import pieces
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.xfs.attributes import target, xattrs
from dockyard.filesystems.xfs.directories import is_directory, names
from dockyard.filesystems.xfs.replay import recovered
from dockyard.filesystems.xfs.volume import DEVICE, FLAG_BITS, Inode, Volume


def read(image: Image, *, digests: bool = True) -> Archive:
    """The archive of an image. digests: of all files; else only where their data lie is judged."""
    volume = recovered(image)
    numbers = inode_numbers(volume)
    source = InodeSource(numbers, lambda number: volume.pieces(volume.inode(number)))
    entry = partial(_entry, volume, digests)
    found = entries_of(numbers, partial(volume.inode, verify=True), entry)
    return Archive(found, (source,))


def inode_numbers(volume: Volume) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""
    return numbers_by_path(volume, volume.root, partial(_names, volume))


def _names(volume: Volume, number: int) -> Iterator[tuple[bytes, int, bool]]:
    for name, child, noted in names(volume, volume.inode(number)):
        yield name, child, is_directory(volume, child, noted)


def _entry(volume: Volume, digests: bool, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode, f"inode {inode.number}")
    digest, says, rdev = None, b"", (0, 0)
    if kind is Kind.FILE:
        if digests:
            digest = pieces.digest(volume.pieces(inode))
        else:
            deque(volume.extents(inode.data), maxlen=0)
    elif kind is Kind.SYMLINK:
        says = target(volume, inode)
    elif kind in DEVICES:
        if inode.data.form != DEVICE:
            raise volume.broken(f"inode {inode.number} is damaged")
        number = int.from_bytes(inode.data.content[:4], "big")
        rdev = (number >> 18, number & 0x3FFFF)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, digest, says, rdev,
        with_flags(xattrs(volume, inode), letters_of(kind, inode.flags, FLAG_BITS)),
    )  # fmt: skip
