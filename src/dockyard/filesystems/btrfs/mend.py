"""Sets in a new Btrfs image what mkfs.btrfs draws at random, takes from the clock, or loses.

Random: the id of the chunk tree, in every block, and the ids of subvolumes, whose numbers follow
the order in which it comes upon them. From the clock or the staged tree: times of roots and inodes.
Lost: names of attributes (see `attribute_names`), fractions of seconds, flags, and device nodes and
owners beyond the namespace's ids, which were staged as named pipes and as root's. Missing: limits
of subvolumes. Every block gets a new checksum (CRC-32C from byte 32 on), in all of its copies. What
is not in use any more, earlier copies of blocks and space between the items of a leaf, is zeroed.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from uuid import UUID

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS
from dockyard.archive.flags import word_of
from dockyard.filesystems.btrfs import roots
from dockyard.filesystems.btrfs.attribute_names import names
from dockyard.filesystems.btrfs.reader import FLAG_BITS, NAME, numbers_of
from dockyard.filesystems.btrfs.subvolumes import QUOTA_TREE, Subvolume, subvolumes
from dockyard.filesystems.btrfs.volume import (
    DEV_EXTENT,
    DEV_ITEM,
    DIR_INDEX,
    DIR_ITEM,
    EXTENT_DATA,
    FILES_TREE,
    FIRST_INODE,
    HEADER,
    INODE_ITEM,
    ITEM,
    POINTER,
    ROOT_ITEM,
    SUPERBLOCK_SIZE,
    SUPERBLOCKS,
    XATTR_ITEM,
    Item,
    Volume,
)
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.spec import FilesystemSpec, SubvolumeSpec

_CRC32C = 0
_PIECE = 1 << 20
_CHUNK_TREE_ID_AT, _OWNER_AT = 64, 88
_SECTOR = 4096
_FLAGS_AT, _NO_CHECKSUMS, _NO_COPY = 64, 0x1, 0x2
_TOTAL_AT, _DEVICE_AT, _GENERATION_AT = 112, 201, 72
_TIME = struct.Struct("<qI")
_INODE_TIMES_AT = 112  # access, change, modification, birth
_DIRECTORY_TYPES = {Kind.CHARACTER: 3, Kind.BLOCK: 4}
_FORMATS = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}

_UUID_TREE, _STATUS = 9, 240
_EXTENT_ITEM, _METADATA_ITEM = 168, 169
_TREE_REF, _DATA_REF = 176, 178
_EXTENT_HEAD, _OLD_HEAD, _INLINE_REF = 24, 18, 9
_IS_TREE_BLOCK = 2
_DATA_REF_SIZE = 29
_ON_DISK = struct.Struct("<QQ")  # where an extent begins, and its length
_ON_DISK_AT, _INLINE_KIND_AT = 21, 20


@dataclass(frozen=True, slots=True)
class _Identity:
    """What takes the place of what was drawn. numbers: of subvolumes, by those that they have.
    xattrs: names of attributes by those that they were staged under.
    """

    chunk_tree: UUID
    epoch: bytes
    size: int
    numbers: Mapping[int, int]
    chosen: Mapping[int, SubvolumeSpec]
    xattrs: Mapping[bytes, bytes]


@dataclass(slots=True)
class _Usage:
    """What a subvolume uses: its blocks, and the extents of its files."""

    blocks: int = 0
    extents: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.blocks + sum(self.extents.values())


def mend(archive: Archive, image: Path, size: int, spec: FilesystemSpec) -> None:
    """Rewrite every tree block of an image that mkfs.btrfs has just made of an archive, and let
    the file system and the image grow to `size` bytes.
    """
    volume = Volume(image)
    try:
        if volume.checksum_type != _CRC32C:
            raise volume.broken("its checksums are not CRC-32C")
        known = subvolumes(volume)
        identity = _identity(known, spec, size, archive)
        entries = _entries(volume, known, archive)
        used: list[tuple[int, int]] = []
        with open(image, "rb+") as opened:
            for logical, block in _blocks(volume, known, identity, entries):
                block[:4] = crc32c(memoryview(block)[32:]).to_bytes(4, "little")
                for place in volume.places(logical):
                    opened.seek(place)
                    opened.write(block)
                    used.append((place, place + len(block)))
            used += [(at, at + SUPERBLOCK_SIZE) for at in SUPERBLOCKS]
            _zero_unused(opened, [*used, *volume.data_ranges()])
            opened.truncate(size)
            _put_superblocks(opened, volume.superblock, identity.size)
    finally:
        volume.close()


def _identity(
    known: tuple[Subvolume, ...], spec: FilesystemSpec, size: int, archive: Archive
) -> _Identity:
    by_path = {os.fsencode(one.path): one for one in spec.subvolumes}
    whole = SubvolumeSpec(FILES_TREE, "", spec.derived("subvolume"))
    return _Identity(
        spec.derived("chunk tree"),
        _TIME.pack(spec.epoch, 0),
        size // _SECTOR * _SECTOR,
        {one.number: by_path.get(one.path, whole).number for one in known},
        {one.number: one for one in roots.outermost(spec.subvolumes, whole)},
        names(archive),
    )


def _entries(
    volume: Volume, known: tuple[Subvolume, ...], archive: Archive
) -> dict[int, dict[int, Entry]]:
    """The entries of an archive by their inodes, for each subvolume by the number that it has."""
    found: dict[int, dict[int, Entry]] = {one.number: {} for one in known}
    numbers = numbers_of(volume, known)
    for entry in archive:
        if entry.kind is not Kind.HARDLINK:
            tree, inode = numbers[entry.path]
            found[tree][inode] = entry
    return found


def _blocks(
    volume: Volume,
    known: tuple[Subvolume, ...],
    identity: _Identity,
    entries: Mapping[int, dict[int, Entry]],
) -> Iterator[tuple[int, bytearray]]:
    """Every block of every tree as it is to be, with its logical address."""
    trees = volume.tree_roots()
    usage: dict[int, int] = {}
    for one in known:
        counted = _Usage()
        del trees[one.number]
        for logical, block in volume.blocks(one.root):
            _count(volume, block, counted)
            yield logical, _mended(volume, block, identity, entries[one.number])
        usage[identity.numbers[one.number]] = counted.total
    for number, place in trees.items():
        for logical, block in volume.blocks(place):
            made = _mended(volume, block, identity, {})
            if number in (_UUID_TREE, QUOTA_TREE):
                made = _listed(volume, number, bytes(made), identity, usage)
            yield logical, made
    for logical, block in volume.blocks(volume.chunk_root):
        yield logical, _mended(volume, block, identity, {})
    whole = {
        at: bytes(_mended(volume, block, identity, {})) for at, block in volume.blocks(volume.root)
    }

    def change(key: tuple[int, int, int], data: bytes) -> roots.Content:
        key, data = roots.renumbered(identity.numbers, key, data)
        if key[1] == ROOT_ITEM and key[0] in identity.chosen:
            data = roots.with_identity(data, identity.chosen[key[0]], identity.epoch)
        return key, data

    yield from roots.packed(volume, whole, change).items()


def _listed(
    volume: Volume, number: int, block: bytes, identity: _Identity, usage: Mapping[int, int]
) -> bytearray:
    """The one block of a tree that lists all subvolumes."""
    if block[100]:
        raise volume.broken("it has more subvolumes than can be listed", "leave some of them out")
    chosen = identity.chosen.values()
    if number == _UUID_TREE:
        return roots.filled(volume, block, roots.uuid_items(chosen))
    (generation,) = struct.unpack_from("<Q", volume.superblock, _GENERATION_AT)
    status = next(data for key, data in roots.contents(volume, block) if key[1] == _STATUS)
    return roots.filled(volume, block, roots.quota_items(status, chosen, usage, generation))


def _count(volume: Volume, block: bytes, usage: _Usage) -> None:
    usage.blocks += len(block)
    for item in volume.items(block) if not block[100] else ():
        if item.type == EXTENT_DATA and block[item.at + _INLINE_KIND_AT]:
            at, length = _ON_DISK.unpack_from(block, item.at + _ON_DISK_AT)
            if at:
                usage.extents[at] = length


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
    _renumber(block, _OWNER_AT, identity)
    (count,) = struct.unpack_from("<I", block, 96)
    if block[100]:
        end = HEADER + count * POINTER.size
        block[end:] = bytes(len(block) - end)
        return block
    items = volume.items(raw)
    start = HEADER + count * ITEM.size
    end = min((item.at for item in items), default=len(block))
    block[start:end] = bytes(end - start)
    for item in items:
        if item.type == INODE_ITEM:
            _mend_inode(block, item.at, entries.get(item.object), identity)
        elif item.type in (DIR_ITEM, DIR_INDEX, XATTR_ITEM):
            _mend_names(block, item, entries, identity)
        elif item.type == DEV_ITEM:
            struct.pack_into("<Q", block, item.at + 8, identity.size)
        elif item.type == DEV_EXTENT:
            block[item.at + 32 : item.at + 48] = identity.chunk_tree.bytes
        elif item.type == ROOT_ITEM:
            _mend_inode(block, item.at, None, identity)
        elif item.type in (_EXTENT_ITEM, _METADATA_ITEM):
            _mend_references(volume, block, item, identity)
    return block


def _renumber(block: bytearray, at: int, identity: _Identity) -> None:
    (number,) = struct.unpack_from("<Q", block, at)
    struct.pack_into("<Q", block, at, identity.numbers.get(number, number))


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
    (flags,) = struct.unpack_from("<Q", block, at + _FLAGS_AT)
    flags |= word_of(entry, FLAG_BITS)
    if entry.kind is Kind.FILE and flags & _NO_COPY:
        flags |= _NO_CHECKSUMS
    struct.pack_into("<Q", block, at + _FLAGS_AT, flags)
    major, minor = entry.rdev
    struct.pack_into("<Q", block, at + 56, major << 20 | minor)


def _mend_names(
    block: bytearray, item: Item, entries: dict[int, Entry], identity: _Identity
) -> None:
    at, end = item.at, item.at + item.size
    while at + NAME.size <= end:
        child, kind, _, _, length, size, _ = NAME.unpack_from(block, at)
        if item.type == XATTR_ITEM:
            # mkfs.btrfs leaves here what was in memory before.
            block[at + 17 : at + 25] = bytes(8)
            staged = slice(at + NAME.size, at + NAME.size + size)
            block[staged] = identity.xattrs.get(bytes(block[staged]), block[staged])
        elif kind == ROOT_ITEM:
            # The tree of roots has one such name, which is changed with all that it has.
            if item.object >= FIRST_INODE:
                _renumber(block, at, identity)
        elif (entry := entries.get(child)) and entry.kind in _DIRECTORY_TYPES:
            block[at + 29] = _DIRECTORY_TYPES[entry.kind]
        at += NAME.size + length + size


def _mend_references(volume: Volume, block: bytearray, item: Item, identity: _Identity) -> None:
    """Which tree an extent belongs to: it has one reference, for nothing is shared yet."""
    at, end = item.at + _EXTENT_HEAD, item.at + item.size
    (flags,) = struct.unpack_from("<Q", block, item.at + 16)
    if item.type == _EXTENT_ITEM and flags & _IS_TREE_BLOCK:
        at += _OLD_HEAD
    while at < end:
        if block[at] == _TREE_REF:
            _renumber(block, at + 1, identity)
            at += _INLINE_REF
        elif block[at] == _DATA_REF:
            _renumber(block, at + 1, identity)
            at += _DATA_REF_SIZE
        else:
            raise volume.broken("an extent of it is shared")
