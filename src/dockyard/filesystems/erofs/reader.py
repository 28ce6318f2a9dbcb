"""Makes an archive of an EROFS image: metadata by our own reader, compressed data by fsck.erofs.

fsck.erofs alone would lose capabilities, ids that the namespace has not, and devices.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dockyard.archive import Archive, Entry, Kind, TreeSource
from dockyard.archive.archive import Source, linked
from dockyard.archive.entry import DEVICES, KIND_OF_FORMAT, order
from dockyard.filesystems.erofs.volume import COMPRESSED, COMPRESSED_FULL, Inode, Volume
from dockyard.filesystems.pieces import opened
from dockyard.host.sandbox import Tools

_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
_PACKED = (COMPRESSED, COMPRESSED_FULL)


@dataclass(frozen=True, slots=True)
class ErofsSource:
    """The data of the files of an image that is not compressed, which stays mapped."""

    volume: Volume
    inodes: Mapping[bytes, int]

    def open(self, path: bytes) -> BinaryIO:
        inode = self.volume.inode(self.inodes[path])
        return opened(self.volume.pieces(inode))


def read(image: Path, tools: Tools, scratch: Path) -> Archive:
    """The archive of an image. Compressed data are unpacked into a directory of scratch."""
    volume = Volume(image)
    numbers = _inode_numbers(volume)
    inodes = {number: volume.inode(number) for number in numbers.values()}
    sources: list[Source] = [ErofsSource(volume, numbers)]
    if any(inode.layout in _PACKED for inode in inodes.values()):
        sources.append(TreeSource(_unpacked(image, volume, inodes, tools, scratch)))
    entries: list[Entry] = []
    lies: list[int] = []
    firsts: dict[int, Entry] = {}
    for path, number in numbers.items():
        inode = inodes[number]
        source = 1 if inode.layout in _PACKED else 0
        first = firsts.get(number)
        if first is not None:
            entry = linked(path, first)
        else:
            entry = _entry(volume, path, inode, sources[source])
            if entry.kind is not Kind.DIRECTORY and inode.links > 1:
                firsts[number] = entry
        entries.append(entry)
        lies.append(source)
    return Archive(entries, sources, lies)


def _inode_numbers(volume: Volume) -> dict[bytes, int]:
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


def _entry(volume: Volume, path: bytes, inode: Inode, source: Source) -> Entry:
    kind = KIND_OF_FORMAT.get(stat.S_IFMT(inode.mode))
    if kind is None:
        raise volume.broken("an inode is of an unknown kind")
    packed = inode.layout in _PACKED  # then fsck.erofs has unpacked the data already
    if not packed and not volume.is_plausible(inode.size, kind is Kind.FILE):
        raise volume.broken("an inode is larger than can be")
    digest, target, rdev = None, b"", (0, 0)
    if kind is Kind.FILE:
        with source.open(path) as data:
            made = hashlib.sha256()
            while piece := data.read(1 << 20):
                made.update(piece)
            digest = made.hexdigest()
    elif kind is Kind.SYMLINK:
        target = b"".join(volume.pieces(inode))
    elif kind in DEVICES:
        rdev = (os.major(inode.word), os.minor(inode.word))
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, digest, target, rdev, inode.xattrs,
    )  # fmt: skip


def _unpacked(
    image: Path, volume: Volume, inodes: Mapping[int, Inode], tools: Tools, scratch: Path
) -> Path:
    """Let fsck.erofs unpack the files of an image. It gives up at a device node, which nobody can
    make in a namespace: in a copy of the image these are named pipes.
    """
    into, copy = scratch / (image.name + ".files"), scratch / (image.name + ".copy")
    into.mkdir()
    devices = [number for number, inode in inodes.items() if inode.mode & 0o170000 in _DEVICES]
    if devices:
        shutil.copyfile(image, copy)
        with open(copy, "rb+") as opened:
            for number in devices:
                opened.seek(volume.place(number) + 4)
                opened.write(struct.pack("<H", stat.S_IFIFO | 0o600))
    source = copy if devices else image
    argv = ["fsck.erofs", f"--extract={into}", "--no-preserve", str(source)]
    try:
        tools.run(argv, read=[source], write=[into])
    finally:
        copy.unlink(missing_ok=True)
    return into
