"""Reads the extended attributes and symbolic links of XFS.

Attributes are kept in the inode, in leaf blocks below a tree of hashes, and large values in blocks
of their own. A flag stands for the name's prefix. ACLs are attributes of the root's namespace with
names and a form of their own, which is changed to the kernel's.
"""

from __future__ import annotations

import struct

from dockyard.archive.entry import XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT, Xattrs
from dockyard.filesystems.xfs.volume import LOCAL, Inode, Volume

_LOCAL, _ROOT, _SECURE, _PARENT, _INCOMPLETE = 0x01, 0x02, 0x04, 0x08, 0x80
_NODE, _LEAF = b"\x3e\xbe", b"\x3b\xee"
_LEAF_HEADER, _NODE_HEADER = 80, 64
_REMOTE_HEADER = 56
_ACLS = {b"SGI_ACL_FILE": XATTR_ACL_ACCESS, b"SGI_ACL_DEFAULT": XATTR_ACL_DEFAULT}
_OWN = b"xfs:"  # what the file system notes for its own programs
_NAMED = (0x02, 0x08)


def xattrs(volume: Volume, inode: Inode) -> Xattrs:
    """The attributes of an inode, sorted by name."""
    fork = inode.attributes
    if fork is None:
        return ()
    if fork.form == LOCAL:
        return tuple(sorted(_short(fork.content)))
    blocks: dict[int, int] = {}
    for extent in volume.extents(fork):
        for index in range(extent.count):
            blocks[extent.logical + index] = extent.at + index * volume.block_size
    return tuple(sorted(_leaves(volume, blocks))) if blocks else ()


def target(volume: Volume, inode: Inode) -> bytes:
    """What a symbolic link says."""
    if inode.data.form == LOCAL:
        return inode.data.content[: inode.size]
    found = b""
    for extent in volume.extents(inode.data):
        for index in range(extent.count):
            block = volume.bytes_at(extent.at + index * volume.block_size, volume.block_size)
            if block[:4] != b"XSLM":
                raise volume.broken("a symbolic link is damaged")
            found += block[_REMOTE_HEADER:]
    return found[: inode.size]


def _short(content: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = 4
    for _ in range(content[2]):
        size, length, flags = content[at], content[at + 1], content[at + 2]
        middle = at + 3 + size
        found += _pair(content[at + 3 : middle], content[middle : middle + length], flags)
        at = middle + length
    return found


def _leaves(volume: Volume, blocks: dict[int, int]) -> list[tuple[bytes, bytes]]:
    """All leaves from the first one on, along their links."""
    number, found = 0, []
    block = _block(volume, blocks, 0)
    while block[8:10] == _NODE:
        (number,) = struct.unpack_from(">I", block, _NODE_HEADER + 4)
        block = _block(volume, blocks, number)
    visited: set[int] = set()
    while True:
        if block[8:10] != _LEAF or number in visited:
            raise volume.broken("a tree of attributes is damaged")
        visited.add(number)
        found += _leaf(volume, blocks, block)
        (number,) = struct.unpack_from(">I", block)
        if not number:
            return found
        block = _block(volume, blocks, number)


def _leaf(volume: Volume, blocks: dict[int, int], block: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    (count,) = struct.unpack_from(">H", block, 56)
    for index in range(count):
        _, at, flags = struct.unpack_from(">IHB", block, _LEAF_HEADER + 8 * index)
        if flags & _LOCAL:
            length, size = struct.unpack_from(">HB", block, at)
            name = block[at + 3 : at + 3 + size]
            value = block[at + 3 + size : at + 3 + size + length]
        else:
            first, length, size = struct.unpack_from(">IIB", block, at)
            name = block[at + 9 : at + 9 + size]
            value = _remote(volume, blocks, first, length)
        found += _pair(name, value, flags)
    return found


def _remote(volume: Volume, blocks: dict[int, int], first: int, length: int) -> bytes:
    value = b""
    while len(value) < length:
        block = _block(volume, blocks, first)
        if block[:4] != b"XARM":
            raise volume.broken("an attribute is damaged")
        value += block[_REMOTE_HEADER:]
        first += 1
    return value[:length]


def _block(volume: Volume, blocks: dict[int, int], number: int) -> bytes:
    if number not in blocks:
        raise volume.broken("a tree of attributes is damaged")
    return volume.bytes_at(blocks[number], volume.block_size)


def _pair(name: bytes, value: bytes, flags: int) -> list[tuple[bytes, bytes]]:
    if flags & (_PARENT | _INCOMPLETE) or (flags & _ROOT and name.startswith(_OWN)):
        return []
    if flags & _ROOT and name in _ACLS:
        return [(_ACLS[name], _acl(value))]
    prefix = b"trusted." if flags & _ROOT else b"security." if flags & _SECURE else b"user."
    return [(prefix + name, value)]


def _acl(value: bytes) -> bytes:
    made = [struct.pack("<I", 2)]
    for tag, identity, permissions in struct.iter_unpack(">IIHxx", value[4:]):
        named = identity if tag in _NAMED else 0xFFFFFFFF
        made.append(struct.pack("<HHI", tag, permissions, named))
    return b"".join(made)
