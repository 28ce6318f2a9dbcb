"""What mkfs.xfs cannot take from a tree that is staged without root, by what stands in for it.

Devices stand there as FIFOs; ACLs, in the form of XFS, and `trusted.*` as `user.*` of the same
name. In the image the kind, the number and the note of a directory, or the flag that stands for a
name's prefix, make of these what they are: names and their hashes, sizes and places stay. Each
structure that is touched gets its checksum again (CRC-32C with its own field zero, little-endian).

Layout: "XFS Algorithms & Data Structures"; fs/xfs/libxfs/xfs_da_format.h of Linux.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, Xattrs
from dockyard.archive.named_ids import ACL_ENTRY, NAMED
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.xfs.attributes import ACLS, FORMS, ROOT, SECURE, leaf_blocks, leaf_names
from dockyard.filesystems.xfs.directories import CHECKSUM_AT, blocks_of, noted_types
from dockyard.filesystems.xfs.volume import LOCAL, Inode, Volume

_USER, _TRUSTED = b"user.", b"trusted."
_OWN_NAMES = {acl: name for name, acl in ACLS.items()}
_TYPES = {Kind.CHARACTER: 3, Kind.BLOCK: 4}
_FILE_TYPES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
_MINOR_BITS = 18

Patch = tuple[int, bytes]
"""Where in the image, and what."""


def stageable(archive: Archive) -> Archive:
    """The archive with what stands in for the rest."""
    if not any(has_stand_in(entry) for entry in archive):
        return archive
    return archive.changed(_staged)


def has_stand_in(entry: Entry) -> bool:
    """Whether something of an entry is staged as something else."""
    return entry.kind in DEVICES or any(_is_hidden(name) for name, _ in entry.xattrs)


def names_collide(entry: Entry) -> bool:
    """Whether two attributes would be staged under one name."""
    names = [_staged_name(name) for name, _ in entry.xattrs]
    return len({*names}) < len(names)


def cannot_stand_in(entry: Entry) -> bool:
    """Whether it has ACLs or `trusted.*` where no `user.*` can be."""
    return entry.kind not in (Kind.FILE, Kind.DIRECTORY) and any(
        _is_hidden(name) for name, _ in entry.xattrs
    )


def file_type(entry: Entry) -> int:
    """The bits of the mode that say the kind of a device."""
    return _FILE_TYPES[entry.kind]


def device_number(entry: Entry) -> bytes:
    """The number of a device as the data fork of its inode has it."""
    major, minor = entry.rdev
    return struct.pack(">I", major << _MINOR_BITS | minor)


def attribute_flags(volume: Volume, inode: Inode, entry: Entry) -> Iterator[Patch]:
    """What gives the attributes of an inode their prefixes. A place below the size of an inode is
    within it, without its checksum; others are of whole blocks.
    """
    fork = inode.attributes
    hidden = (_staged_name(name) for name, _ in entry.xattrs if _is_hidden(name))
    wanted = {name.removeprefix(_USER) for name in hidden}
    if fork is None or not wanted:
        return
    if fork.form == LOCAL:
        start, at = volume.inode_size - len(fork.content), 4
        for _ in range(fork.content[2]):
            size, length, flags = fork.content[at : at + 3]
            if not flags and fork.content[at + 3 : at + 3 + size] in wanted:
                yield start + at + 2, bytes([ROOT])
            at += 3 + size + length
        return
    form = FORMS[volume.is_v5]
    for place, leaf in leaf_blocks(volume, dict(volume.blocks(fork))):
        made = bytearray(leaf)
        for index, flags, name, _ in leaf_names(volume, leaf):
            if name in wanted and not flags & SECURE:
                made[form.leaf_header + 8 * index + 6] |= ROOT
        yield place, checked(made, form.checksum_at)


def noted_devices(volume: Volume, directory: Inode, kinds: Mapping[bytes, Kind]) -> Iterator[Patch]:
    """What notes of names in a directory that they are of devices; places as above."""
    if directory.data.form == LOCAL:
        for name, at in noted_types(volume, directory.data.content, short=True):
            if name in kinds:
                yield volume.core + at, bytes([_TYPES[kinds[name]]])
        return
    for places, block in blocks_of(volume, directory):
        made = bytearray(block)
        for name, at in noted_types(volume, block, short=False):
            if name in kinds:
                made[at] = _TYPES[kinds[name]]
        whole, size = checked(made, CHECKSUM_AT), volume.block_size
        for index, place in enumerate(places):
            yield place, whole[index * size : (index + 1) * size]


def checked(block: bytearray, at: int) -> bytes:
    """A structure with its checksum, which is at a place within it."""
    block[at : at + 4] = bytes(4)
    struct.pack_into("<I", block, at, crc32c(block))
    return bytes(block)


def _is_hidden(name: bytes) -> bool:
    return name in _OWN_NAMES or name.startswith(_TRUSTED)


def _staged_name(name: bytes) -> bytes:
    if name in _OWN_NAMES:
        return _USER + _OWN_NAMES[name]
    return _USER + name.removeprefix(_TRUSTED) if name.startswith(_TRUSTED) else name


def _staged(entry: Entry) -> Entry:
    if entry.kind in DEVICES:
        return replace(entry, kind=Kind.FIFO, rdev=(0, 0))
    return replace(entry, xattrs=_staged_xattrs(entry.xattrs)) if has_stand_in(entry) else entry


def _staged_xattrs(xattrs: Xattrs) -> Xattrs:
    return tuple(
        sorted(
            (_staged_name(name), _own_acl(value) if name in _OWN_NAMES else value)
            for name, value in xattrs
        )
    )


def _own_acl(acl: bytes) -> bytes:
    """An ACL as XFS keeps it: a count, then tag, id and permissions of each entry."""
    entries = list(ACL_ENTRY.iter_unpack(acl[4:]))
    made = [struct.pack(">I", len(entries))]
    for tag, permissions, number in entries:
        made.append(struct.pack(">IIHxx", tag, number if tag in NAMED else 0, permissions))
    return b"".join(made)
