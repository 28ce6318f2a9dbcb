"""Makes an archive of an EROFS image: metadata by our own reader, compressed data by fsck.erofs.

fsck.erofs alone would lose capabilities, ids that the namespace lacks, and devices.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.archive import Source
from dockyard.archive.entry import DEVICES, path_text
from dockyard.filesystems import pieces
from dockyard.filesystems.erofs.volume import COMPRESSED, COMPRESSED_FULL, Inode, Volume
from dockyard.filesystems.image import Image, Region, path_of
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.host import kernel
from dockyard.host.sandbox import Tools

_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
_PACKED = (COMPRESSED, COMPRESSED_FULL)
# Bytes that packed files may have together, for each of the image and besides: zeros pack well.
_MOST_PACKED, _MOST_BESIDES = 64, 16 << 30


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """What fsck.erofs unpacked. It may see a link where our reader sees a directory: none is
    followed out of there.
    """

    root: Path

    def open(self, path: bytes) -> BinaryIO:
        root = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            number = kernel.openat2(root, path, flags, resolve=kernel.RESOLVE_IN_ROOT)
        finally:
            os.close(root)
        return cast(BinaryIO, io.FileIO(number, "rb"))


def read(image: Image, tools: Tools, scratch: Path, *, digests: bool = True) -> Archive:
    """The archive of an image. Compressed data are unpacked into a directory of scratch."""
    volume = Volume(image)
    numbers = numbers_by_path(volume, volume.root, partial(_names, volume))
    inodes = {number: volume.inode(number) for number in numbers.values()}
    sources: list[Source] = [
        InodeSource(numbers, lambda number: volume.pieces(volume.inode(number)))
    ]
    if any(inode.layout in _PACKED for inode in inodes.values()):
        sources.append(_Unpacked(_unpacked(image, volume, inodes, tools, scratch)))
    entry = partial(_entry, volume, sources, digests)
    found = entries_of(numbers, inodes.__getitem__, entry)
    source_of = [int(inodes[number].layout in _PACKED) for number in numbers.values()]
    return Archive(found, sources, source_of)


def compression(image: Image) -> str:
    """By what the files of an image are compressed; empty where none is."""
    volume = Volume(image)
    try:
        numbers = numbers_by_path(volume, volume.root, partial(_names, volume))
        packed = any(volume.inode(number).layout in _PACKED for number in numbers.values())
        return volume.algorithm if packed else ""
    finally:
        volume.close()


def _names(volume: Volume, number: int) -> Iterator[tuple[bytes, int, bool]]:
    for name, child in volume.names(volume.inode(number)):
        yield name, child, stat.S_ISDIR(volume.inode(child).mode)


def _entry(
    volume: Volume, sources: Sequence[Source], digests: bool, path: bytes, inode: Inode
) -> Entry:
    is_packed = inode.layout in _PACKED  # then fsck.erofs has unpacked the data already
    kind = kind_of(volume, inode, is_packed=is_packed)
    digest, target, rdev = None, b"", (0, 0)
    if kind is Kind.FILE and (digests or is_packed):
        try:
            with sources[is_packed].open(path) as data:
                if digests:
                    digest = pieces.digest(iter(partial(data.read, pieces.PIECE), b""))
        except OSError as error:
            # fsck.erofs passes over some of what is damaged, without a word.
            why = f"the data of {path_text(path)} could not be unpacked ({error.strerror})"
            raise volume.broken(why) from error
    elif kind is Kind.SYMLINK:
        target = b"".join(volume.pieces(inode))
    elif kind in DEVICES:
        rdev = (os.major(inode.word), os.minor(inode.word))
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, digest, target, rdev, inode.xattrs,
    )  # fmt: skip


def _unpacked(
    image: Image, volume: Volume, inodes: Mapping[int, Inode], tools: Tools, scratch: Path
) -> Path:
    """Let fsck.erofs unpack the files of an image. It gives up at a device node, which nobody can
    make in a namespace: in a copy of the image these are named pipes.
    """
    packed = sum(inode.size for inode in inodes.values() if inode.layout in _PACKED)
    if packed > _MOST_PACKED * len(volume.data) + _MOST_BESIDES:
        raise volume.broken("its packed files are impossibly large")
    into = _new_directory(scratch, volume.image.name + ".files")
    copy = into.with_name(into.name + ".copy")
    devices = [number for number, inode in inodes.items() if inode.mode & 0o170000 in _DEVICES]
    source = copy if devices or isinstance(image, Region) else image
    if source == copy:
        with open(copy, "wb") as opened:
            opened.write(volume.data)
            for number in devices:
                opened.seek(volume.place(number) + 4)
                opened.write(struct.pack("<H", stat.S_IFIFO | 0o600))
    argv = ["fsck.erofs", f"--extract={into}", "--no-preserve", str(source)]
    try:
        tools.run(argv, read=[source], write=[into], reads=path_of(image))
    finally:
        copy.unlink(missing_ok=True)
    return into


def _new_directory(within: Path, name: str) -> Path:
    """A directory that was not there: what was unpacked before may still be in use."""
    for number in count():
        made = within / f"{name}.{number}"
        try:
            made.mkdir()
        except FileExistsError:
            continue
        return made
    raise AssertionError
