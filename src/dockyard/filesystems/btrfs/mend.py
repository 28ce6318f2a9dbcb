"""Sets in a new Btrfs image what mkfs.btrfs draws at random, takes from the clock, or loses.

Random: the id of the chunk tree, in every block, and the id of the subvolume. From the clock or the
staged tree: times of roots and inodes. Lost: fractions of seconds, device nodes and owners beyond
the namespace's ids, which were staged as named pipes and as root's. Every block gets a new checksum
(CRC-32C from byte 32 on), in all of its copies. What
is not in use any more, earlier copies of blocks and space between the items of a leaf, is zeroed.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS
from dockyard.filesystems.btrfs.reader import NAME, inode_numbers, inodes_of
from dockyard.filesystems.btrfs.volume import (
    DEV_EXTENT,
    DEV_ITEM,
    DIR_INDEX,
    DIR_ITEM,
    FILES_TREE,
    HEADER,
    INODE_ITEM,
    ITEM,
    POINTER,
    ROOT_ITEM,
    SUPERBLOCK_SIZE,
    SUPERBLOCKS,
    UUID_SUBVOLUME,
    XATTR_ITEM,
    Item,
    Volume,
)
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.spec import FilesystemSpec

_CRC32C = 0
_PIECE = 1 << 20
_CHUNK_TREE_ID_AT = 64
_SECTOR = 4096
_TOTAL_AT, _DEVICE_AT = 112, 201
_TIME = struct.Struct("<qI")
_INODE_TIMES_AT = 112  # access, change, modification, birth
_ROOT_UUID_AT = 247
_ROOT_TIMES_AT = (327, 339, 351, 363)
_DIRECTORY_TYPES = {Kind.CHARACTER: 3, Kind.BLOCK: 4}
_FORMATS = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}


@dataclass(frozen=True, slots=True)
class _Identity:
    """What takes the place of what was drawn."""

    chunk_tree: UUID
    subvolume: UUID
    epoch: bytes
    size: int


def mend(archive: Archive, image: Path, size: int, spec: FilesystemSpec) -> None:
    """Rewrite every tree block of an image that mkfs.btrfs has just made of an archive, and let
    the file system and the image grow to `size` bytes.
    """
    volume = Volume(image)
    try:
        if volume.checksum_type != _CRC32C:
            raise volume.broken("its checksums are not CRC-32C")
        identity = _Identity(
            spec.derived("chunk tree"),
            spec.derived("subvolume"),
            _TIME.pack(spec.epoch, 0),
            size // _SECTOR * _SECTOR,
        )
        numbers = inode_numbers(volume, inodes_of(volume))
        entries = {
            numbers[entry.path]: entry for entry in archive if entry.kind is not Kind.HARDLINK
        }
        trees = volume.tree_roots()
        files = trees.pop(FILES_TREE)
        used: list[tuple[int, int]] = []
        with open(image, "rb+") as opened:
            for tree in (volume.root, volume.chunk_root, files, *trees.values()):
                wanted = entries if tree == files else {}
                for logical, block in volume.blocks(tree):
                    made = _mended(volume, block, identity, wanted)
                    made[:4] = crc32c(memoryview(made)[32:]).to_bytes(4, "little")
                    for place in volume.places(logical):
                        opened.seek(place)
                        opened.write(made)
                        used.append((place, place + len(made)))
            used += [(at, at + SUPERBLOCK_SIZE) for at in SUPERBLOCKS]
            _zero_unused(opened, [*used, *volume.data_ranges()])
            opened.truncate(size)
            _put_superblocks(opened, volume.superblock, identity.size)
    finally:
        volume.close()


def _put_superblocks(image: IO[bytes], superblock: bytes, size: int) -> None:
    """Write all copies of the superblock for a size; each holds its own place and checksum."""
    block = bytearray(superblock)
    struct.pack_into("<Q", block, _TOTAL_AT, size)
    struct.pack_into("<Q", block, _DEVICE_AT + 8, size)
    for place in SUPERBLOCKS:
        if place + SUPERBLOCK_SIZE <= size:
            struct.pack_into("<Q", block, 48, place)
            block[:4] = crc32c(memoryview(block)[32:]).to_bytes(4, "little")
            image.seek(place)
            image.write(block)


def _zero_unused(image: IO[bytes], used: list[tuple[int, int]]) -> None:
    """Zero everything outside of the given ranges, without filling the holes of the image."""
    number, done, end = image.fileno(), 0, image.seek(0, os.SEEK_END)
    for start, stop in [*sorted(used), (end, end)]:
        at = done
        while at < min(start, end):
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return  # nothing but a hole up to the end
            size = min(start, end, at + _PIECE) - at
            if size > 0 and any(os.pread(number, size, at)):
                os.pwrite(number, bytes(size), at)
            at += max(size, 0)
        done = max(done, stop)


def _mended(
    volume: Volume, raw: bytes, identity: _Identity, entries: dict[int, Entry]
) -> bytearray:
    block = bytearray(raw)
    block[_CHUNK_TREE_ID_AT : _CHUNK_TREE_ID_AT + 16] = identity.chunk_tree.bytes
    (count,) = struct.unpack_from("<I", block, 96)
    if block[100]:
        end = HEADER + count * POINTER.size
        block[end:] = bytes(len(block) - end)
        return block
    start = HEADER + count * ITEM.size
    end = min((item.at for item in volume.items(raw)), default=len(block))
    block[start:end] = bytes(end - start)
    for index, item in enumerate(volume.items(raw)):
        if item.type == INODE_ITEM:
            _mend_inode(block, item.at, entries.get(item.object), identity)
        elif item.type in (DIR_ITEM, DIR_INDEX, XATTR_ITEM):
            _mend_names(block, item, entries)
        elif item.type == DEV_ITEM:
            struct.pack_into("<Q", block, item.at + 8, identity.size)
        elif item.type == DEV_EXTENT:
            block[item.at + 32 : item.at + 48] = identity.chunk_tree.bytes
        elif item.type == ROOT_ITEM:
            _mend_root(block, item.at, identity)
        elif item.type == UUID_SUBVOLUME:
            # The id is the key: its halves are the object and the offset.
            at = HEADER + index * ITEM.size
            block[at : at + 8] = identity.subvolume.bytes[:8]
            block[at + 9 : at + 17] = identity.subvolume.bytes[8:]
    return block


def _mend_inode(block: bytearray, at: int, entry: Entry | None, identity: _Identity) -> None:
    times = at + _INODE_TIMES_AT
    if entry is None:
        for offset in range(0, 48, 12):
            if any(block[times + offset : times + offset + 12]):
                block[times + offset : times + offset + 12] = identity.epoch
        return
    modified = _TIME.pack(*divmod(entry.mtime_ns, NANOSECONDS))
    block[times : times + 48] = modified * 3 + identity.epoch
    (mode,) = struct.unpack_from("<I", block, at + 52)
    kind = _FORMATS.get(entry.kind, stat.S_IFMT(mode))
    struct.pack_into("<III", block, at + 44, entry.uid, entry.gid, kind | entry.mode)
    major, minor = entry.rdev
    struct.pack_into("<Q", block, at + 56, major << 20 | minor)


def _mend_names(block: bytearray, item: Item, entries: dict[int, Entry]) -> None:
    at, end = item.at, item.at + item.size
    while at + NAME.size <= end:
        child, _, _, _, length, size, _ = NAME.unpack_from(block, at)
        if item.type == XATTR_ITEM:
            # mkfs.btrfs leaves here what was in memory before.
            block[at + 17 : at + 25] = bytes(8)
        elif (entry := entries.get(child)) and entry.kind in _DIRECTORY_TYPES:
            block[at + 29] = _DIRECTORY_TYPES[entry.kind]
        at += NAME.size + length + size


def _mend_root(block: bytearray, at: int, identity: _Identity) -> None:
    _mend_inode(block, at, None, identity)
    if any(block[at + _ROOT_UUID_AT : at + _ROOT_UUID_AT + 16]):
        block[at + _ROOT_UUID_AT : at + _ROOT_UUID_AT + 16] = identity.subvolume.bytes
    for offset in _ROOT_TIMES_AT:
        if any(block[at + offset : at + offset + 12]):
            block[at + offset : at + offset + 12] = identity.epoch
