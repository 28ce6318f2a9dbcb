"""Reads the extended attributes of ext4: inside the inode, in a block of their own, and large
values in inodes of their own (ea_inode).

Layout: Documentation/filesystems/ext4/attributes.rst of Linux. An attribute's name is kept as a
number for its prefix and the rest of it; values lie at offsets from the first entry (in an inode)
or from the block's begin. ACLs are changed to the kernel's form. What the kernel shows nobody is
left out: inline data, and what other systems keep here.
"""

from __future__ import annotations

import struct

from dockyard.archive.entry import XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT, Xattrs
from dockyard.filesystems import acl
from dockyard.filesystems.crc32c import advanced
from dockyard.filesystems.ext4.features import EA_INODE
from dockyard.filesystems.ext4.mapping import extents
from dockyard.filesystems.ext4.superblock import FSCK
from dockyard.filesystems.ext4.volume import Inode, Volume

INLINE = b"system.data"

_MAGIC = b"\0\0\x02\xea"
_BLOCK_HEADER = 32
_CHECKSUM_AT = 16
_ENTRY = struct.Struct("<BBHIII")
_LARGEST_VALUE = 1 << 16  # XATTR_SIZE_MAX of linux/limits.h
_ACCESS, _DEFAULT = 2, 3
_PREFIXES = {
    1: b"user.",
    _ACCESS: XATTR_ACL_ACCESS,
    _DEFAULT: XATTR_ACL_DEFAULT,
    4: b"trusted.",
    6: b"security.",
    7: b"system.",
    8: b"system.richacl",
}
_HIDDEN = (5, 9, 10)  # Lustre, the context of an encrypted file, Hurd

Pairs = tuple[tuple[bytes, bytes], ...]


def xattrs(volume: Volume, inode: Inode) -> Xattrs:
    """The attributes of an inode, sorted; without inline data, which are kept as one."""
    return tuple(pair for pair in sorted(_all(volume, inode)) if pair[0] != INLINE)


def inline_rest(volume: Volume, inode: Inode) -> bytes:
    """What of an inode's inline data did not fit into its own area."""
    return dict(_inside(volume, inode)).get(INLINE, b"")


def _all(volume: Volume, inode: Inode) -> Pairs:
    found = _inside(volume, inode)
    if inode.attribute_block:
        # Many inodes may share one.
        block = volume.attributes_of_blocks.get(inode.attribute_block)
        if block is None:
            block = _in_block(volume, inode)
            volume.attributes_of_blocks[inode.attribute_block] = block
        found += block
    if len(dict(found)) != len(found):
        raise _damaged(volume, inode)
    return found


def _inside(volume: Volume, inode: Inode) -> Pairs:
    if inode.attributes_inside[:4] != _MAGIC:
        return ()
    return _entries(volume, inode.attributes_inside[4:], 0, inode)


def _in_block(volume: Volume, inode: Inode) -> Pairs:
    number = inode.attribute_block
    volume.spend(1)
    block = volume.block(number)
    if block[:4] != _MAGIC:
        raise _damaged(volume, inode)
    if volume.has_checksums:
        plain = block[:_CHECKSUM_AT] + bytes(4) + block[_CHECKSUM_AT + 4 :]
        checksum = advanced(volume.facts.checksum_seed, number.to_bytes(8, "little") + plain)
        if checksum.to_bytes(4, "little") != block[_CHECKSUM_AT : _CHECKSUM_AT + 4]:
            raise volume.broken(f"the checksum of the attributes in block {number} is wrong", FSCK)
    return _entries(volume, block, _BLOCK_HEADER, inode)


def _entries(volume: Volume, data: bytes, start: int, inode: Inode) -> Pairs:
    found: list[tuple[bytes, bytes]] = []
    at, room = start, len(data)
    while at + 4 <= len(data) and data[at : at + 4] != bytes(4):
        if at + 16 > len(data):
            raise _damaged(volume, inode)
        size, prefix, offset, elsewhere, length, _ = _ENTRY.unpack_from(data, at)
        name = data[at + 16 : at + 16 + size]
        if elsewhere:
            value = _large_value(volume, inode, elsewhere, length)
        else:
            value = data[offset : offset + length] if length else b""
            room -= length
        if len(name) != size or len(value) != length or room < 0:
            raise _damaged(volume, inode)
        at += 16 + (size + 3 & ~3)
        if prefix in _HIDDEN:
            continue
        if prefix not in _PREFIXES:
            raise _damaged(volume, inode)
        if prefix in (_ACCESS, _DEFAULT):
            try:
                value = acl.from_disk(value)
            except ValueError as error:
                raise volume.broken(f"inode {inode.number}: {error}", FSCK) from error
        found.append((_PREFIXES[prefix] + name, value))
    return tuple(found)


def _large_value(volume: Volume, inode: Inode, number: int, length: int) -> bytes:
    """A value that is the data of an inode, which many inodes may share."""
    found = volume.values_of_inodes.get(number)
    if found is None:
        holder = volume.inode(number)
        if not holder.flags & EA_INODE or holder.size > _LARGEST_VALUE:
            raise _damaged(volume, inode)
        found = volume.values_of_inodes[number] = content(volume, holder)
    if len(found) != length:
        raise _damaged(volume, inode)
    return found


def content(volume: Volume, inode: Inode) -> bytes:
    """All bytes of a small inode that keeps blocks."""
    made = bytearray(inode.size)
    for extent in extents(volume, inode):
        start = extent.logical * volume.block_size
        length = min(extent.blocks * volume.block_size, inode.size - start)
        if length <= 0:
            break
        made[start : start + length] = b"".join(
            volume.stretch(extent.physical, length, volume.data)
        )
    return bytes(made)


def _damaged(volume: Volume, inode: Inode) -> Exception:
    return volume.broken(f"the attributes of inode {inode.number} are damaged", FSCK)
