"""Makes an archive of an XFS image: every attribute, and the data where they lie."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.archive import linked
from dockyard.archive.entry import DEVICES, KIND_OF_FORMAT, order
from dockyard.filesystems.pieces import opened
from dockyard.filesystems.xfs.attributes import target, xattrs
from dockyard.filesystems.xfs.volume import Inode, Volume


@dataclass(frozen=True, slots=True)
class XfsSource:
    """The data of the files of an image, which stays mapped."""

    volume: Volume
    inodes: Mapping[bytes, int]

    def open(self, path: bytes) -> BinaryIO:
        return opened(self.volume.pieces(self.volume.inode(self.inodes[path])))


def read(image: Path) -> Archive:
    """The archive of an image."""
    volume = Volume(image)
    numbers = inode_numbers(volume)
    entries: list[Entry] = []
    firsts: dict[int, Entry] = {}
    for path, number in numbers.items():
        first = firsts.get(number)
        if first is not None:
            entries.append(linked(path, first))
            continue
        inode = volume.inode(number)
        entry = _entry(volume, path, inode)
        if entry.kind is not Kind.DIRECTORY and inode.links > 1:
            firsts[number] = entry
        entries.append(entry)
    return Archive(entries, (XfsSource(volume, numbers),))


def inode_numbers(volume: Volume) -> dict[bytes, int]:
    """For each path its inode number, in canonical order."""
    found = {b"": volume.root}
    pending = [(b"", volume.root)]
    visited = {volume.root}
    while pending:
        path, number = pending.pop()
        for name, child in volume.names(volume.inode(number)):
            below = path + b"/" + name if path else name
            found[below] = child
            if stat.S_ISDIR(volume.inode(child).mode):
                if child in visited:
                    raise volume.broken(f"directory {child} has two names")
                visited.add(child)
                pending.append((below, child))
    return dict(sorted(found.items(), key=lambda pair: order(pair[0])))


def _entry(volume: Volume, path: bytes, inode: Inode) -> Entry:
    kind = KIND_OF_FORMAT.get(stat.S_IFMT(inode.mode))
    if kind is None:
        raise volume.broken(f"inode {inode.number} is of an unknown kind")
    if not volume.is_plausible(inode.size, kind is Kind.FILE):
        raise volume.broken(f"inode {inode.number} is larger than can be")
    digest, says, rdev = None, b"", (0, 0)
    if kind is Kind.FILE:
        made = hashlib.sha256()
        for piece in volume.pieces(inode):
            made.update(piece)
        digest = made.hexdigest()
    elif kind is Kind.SYMLINK:
        says = target(volume, inode)
    elif kind in DEVICES:
        number = int.from_bytes(inode.data.content[:4], "big")
        rdev = (number >> 18, number & 0x3FFFF)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, digest, says, rdev, xattrs(volume, inode),
    )  # fmt: skip
