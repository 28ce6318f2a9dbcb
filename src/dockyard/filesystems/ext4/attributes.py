"""Reads the extended attributes of ext4: inside the inode and in a block of their own.

An attribute's name is kept as a number for its prefix and the rest of it; values lie at offsets
from the first entry (in an inode) or from the block's begin. ACLs are changed to the kernel's form.
"""

from __future__ import annotations

import struct

from dockyard.archive.entry import XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT, Xattrs
from dockyard.filesystems import acl
from dockyard.filesystems.ext4.volume import Inode, Volume

INLINE = b"system.data"

_MAGIC = b"\0\0\x02\xea"
_BLOCK_HEADER = 32
_ENTRY = struct.Struct("<BBHIII")
_PREFIXES = {
    1: b"user.",
    2: XATTR_ACL_ACCESS,
    3: XATTR_ACL_DEFAULT,
    4: b"trusted.",
    6: b"security.",
    7: b"system.",
    8: b"system.richacl",
}


def xattrs(volume: Volume, inode: Inode) -> Xattrs:
    """The attributes of an inode, sorted; without inline data, which are kept as one."""
    return tuple(pair for pair in sorted(_all(volume, inode)) if pair[0] != INLINE)


def inline_rest(volume: Volume, inode: Inode) -> bytes:
    """What of an inode's inline data did not fit into its own area."""
    return dict(_all(volume, inode)).get(INLINE, b"")


def _all(volume: Volume, inode: Inode) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    inside = inode.attributes_inside
    if inside[:4] == _MAGIC:
        found += _entries(volume, inside[4:], 0, inode)
    if inode.attribute_block:
        block = volume.block(inode.attribute_block)
        if block[:4] != _MAGIC:
            raise volume.broken(f"the attributes of inode {inode.number} are damaged")
        found += _entries(volume, block, _BLOCK_HEADER, inode)
    return found


def _entries(volume: Volume, data: bytes, start: int, inode: Inode) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = start
    while at + 4 <= len(data) and data[at : at + 4] != bytes(4):
        if at + 16 > len(data):
            raise volume.broken(f"the attributes of inode {inode.number} are damaged")
        size, prefix, offset, elsewhere, length, _ = _ENTRY.unpack_from(data, at)
        if elsewhere:
            raise volume.broken(f"an attribute of inode {inode.number} has an inode of its own")
        value = data[offset : offset + length] if length else b""
        if prefix not in _PREFIXES or len(value) != length:
            raise volume.broken(f"the attributes of inode {inode.number} are damaged")
        name = _PREFIXES[prefix] + data[at + 16 : at + 16 + size]
        if prefix in (2, 3):
            try:
                value = acl.from_disk(value)
            except ValueError as error:
                raise volume.broken(f"inode {inode.number}: {error}") from error
        found.append((name, value))
        at += 16 + (size + 3 & ~3)
    return found
