"""Makes an archive of a SquashFS image: every attribute, and the data where they lie."""

from __future__ import annotations

from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, NANOSECONDS
from dockyard.filesystems import pieces
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.squashfs.volume import Inode, Volume


def read(image: Image, *, digests: bool = True) -> Archive:
    """The archive of an image."""
    volume = Volume(image)

    def names(number: int) -> list[tuple[bytes, int, bool]]:
        return list(volume.names(volume.inode(number)))

    numbers = numbers_by_path(volume, volume.root, names)
    found = entries_of(numbers, volume.inode, partial(_entry, volume, digests))
    source = InodeSource(numbers, lambda number: volume.pieces(volume.inode(number)))
    return Archive(found, (source,))


def _entry(volume: Volume, digests: bool, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode, is_packed=True)
    is_file = kind is Kind.FILE
    if is_file and not volume.may_unpack(inode):
        raise volume.broken("a file is impossibly large")
    return Entry(
        path,
        kind,
        inode.mode & 0o7777,
        inode.uid,
        inode.gid,
        inode.mtime * NANOSECONDS,
        inode.size if is_file else 0,
        pieces.digest(volume.pieces(inode)) if is_file and digests else None,
        inode.target,
        _device(inode.rdev) if kind in DEVICES else (0, 0),
        inode.xattrs,
    )


def _device(word: int) -> tuple[int, int]:
    """Major and minor number as the kernel has them in 32 bits (new_encode_dev)."""
    return word >> 8 & 0xFFF, word & 0xFF | word >> 12 & 0xFFF00
