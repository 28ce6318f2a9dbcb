"""Makes an archive of an ext4 image: every attribute, and the data where they lie."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.archive import linked
from dockyard.archive.entry import DEVICES, KIND_OF_FORMAT, order
from dockyard.filesystems.ext4.attributes import inline_rest, xattrs
from dockyard.filesystems.ext4.volume import (
    INLINE_DATA,
    LOST_AND_FOUND_INODE,
    ROOT_INODE,
    Inode,
    Volume,
)
from dockyard.filesystems.pieces import opened

_PIECE = 1 << 20
_DIRECTORY_TYPE = 2
_FAST_SYMLINK = 60


@dataclass(frozen=True, slots=True)
class Ext4Source:
    """The data of the files of an image, which stays mapped."""

    volume: Volume
    inodes: Mapping[bytes, int]

    def open(self, path: bytes) -> BinaryIO:
        inode = self.volume.inode(self.inodes[path])
        return opened(pieces(self.volume, inode))


def read(image: Path) -> Archive:
    """The archive of an image. The empty `lost+found` that mke2fs makes is left out."""
    volume = Volume(image)
    inodes = inode_numbers(volume)
    entries: list[Entry] = []
    firsts: dict[int, Entry] = {}
    for path, number in inodes.items():
        first = firsts.get(number)
        if first is not None:
            entries.append(linked(path, first))
            continue
        inode = volume.inode(number)
        entry = _entry(volume, path, inode)
        if entry.kind is not Kind.DIRECTORY and inode.links > 1:
            firsts[number] = entry
        entries.append(entry)
    return Archive(entries, (Ext4Source(volume, inodes),))


def inode_numbers(volume: Volume) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""
    found: list[tuple[bytes, int]] = [(b"", ROOT_INODE)]
    pending: list[tuple[bytes, int]] = [(b"", ROOT_INODE)]
    visited = {ROOT_INODE}
    while pending:
        path, number = pending.pop()
        names = list(volume.names(directory_blocks(volume, volume.inode(number))))
        if number == LOST_AND_FOUND_INODE and path == b"lost+found" and not names:
            inode = volume.inode(number)
            if inode.mode == 0o40700 and not xattrs(volume, inode):
                found.remove((path, number))
            continue
        for name, child, kind in names:
            below = path + b"/" + name if path else name
            found.append((below, child))
            if not kind:
                kind = _DIRECTORY_TYPE if stat.S_ISDIR(volume.inode(child).mode) else 1
            if kind == _DIRECTORY_TYPE:
                if child in visited:
                    raise volume.broken(f"directory {child} has two names")
                visited.add(child)
                pending.append((below, child))
    return dict(sorted(found, key=lambda pair: order(pair[0])))


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
    for run in volume.runs(inode):
        start = min(run.logical * block, inode.size)
        yield from _zeros(start - done)
        at, left = run.physical * block, min(run.count * block, inode.size - start)
        if left > 0 and at + left > len(volume.data):
            raise volume.broken(f"inode {inode.number} lies behind its end")
        for offset in range(at, at + left, _PIECE):
            yield volume.data[offset : min(offset + _PIECE, at + left)]
        done = start + max(left, 0)
    yield from _zeros(inode.size - done)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, _PIECE))
        count -= _PIECE


def _entry(volume: Volume, path: bytes, inode: Inode) -> Entry:
    kind = KIND_OF_FORMAT.get(stat.S_IFMT(inode.mode))
    if kind is None:
        raise volume.broken(f"inode {inode.number} is of an unknown kind")
    if not volume.is_plausible(inode.size, kind is Kind.FILE):
        raise volume.broken(f"inode {inode.number} is larger than can be")
    size, digest, target, rdev = 0, None, b"", (0, 0)
    if kind is Kind.FILE:
        size = inode.size
        made = hashlib.sha256()
        for piece in pieces(volume, inode):
            made.update(piece)
        digest = made.hexdigest()
    elif kind is Kind.SYMLINK:
        target = _target(volume, inode)
    elif kind in DEVICES:
        rdev = _device(inode.area)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns, size, digest,
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
