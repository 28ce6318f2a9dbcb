"""Reads the extended attributes and symbolic links of XFS.

Attributes are kept in the inode, in leaf blocks below a tree of hashes, and large values in blocks
of their own, which have headers since version 5. A flag stands for the name's prefix. ACLs are
attributes of the root's namespace with names and a form of their own, which is changed to the
kernel's; pointers to parents are attributes too, and nobody's to see.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dockyard.archive.entry import (
    XATTR_ACL_ACCESS,
    XATTR_ACL_DEFAULT,
    Xattrs,
)
from dockyard.archive.named_ids import NAMED
from dockyard.filesystems.xfs.volume import LOCAL, Inode, Volume

ROOT, SECURE = 0x02, 0x04
_LOCAL, _PARENT, _INCOMPLETE = 0x01, 0x08, 0x80
_REMOTE_HEADER, _REMOTE_CHECKSUM_AT, _REMOTE_BYTES = 56, 12, struct.Struct(">I")
_LONGEST_VALUE, _LONGEST_TARGET = 65536, 1024
ACLS = {b"SGI_ACL_FILE": XATTR_ACL_ACCESS, b"SGI_ACL_DEFAULT": XATTR_ACL_DEFAULT}
_OWN = b"xfs:"  # what the file system notes for its own programs

_Pairs = list[tuple[bytes, bytes]]


class _Form:
    """The magic numbers and header sizes of a version."""

    def __init__(self, is_v5: bool) -> None:
        self.leaf, self.node = (b"\x3b\xee", b"\x3e\xbe") if is_v5 else (b"\xfb\xee", b"\xfe\xbe")
        self.count_at = 56 if is_v5 else 12
        self.leaf_header, self.node_header = (80, 64) if is_v5 else (32, 16)
        self.checksum_at = 12


FORMS = {True: _Form(True), False: _Form(False)}


def xattrs(volume: Volume, inode: Inode) -> Xattrs:
    """The attributes of an inode, sorted by name."""
    fork = inode.attributes
    if fork is None:
        return ()
    if fork.form == LOCAL:
        return tuple(sorted(_short(volume, fork.content)))
    blocks = dict(volume.blocks(fork))
    leaves = leaf_blocks(volume, blocks) if blocks else ()
    return tuple(sorted(pair for _, leaf in leaves for pair in _leaf(volume, blocks, leaf)))


def target(volume: Volume, inode: Inode) -> bytes:
    """What a symbolic link says."""
    if not 0 < inode.size <= _LONGEST_TARGET:
        raise volume.broken("a symbolic link is damaged")
    if inode.data.form == LOCAL:
        found = inode.data.content
    else:
        # Version 5 writes a header into each block, or into each extent as one long block.
        found = b""
        for extent in volume.extents(inode.data):
            length = min(extent.count * volume.block_size, _LONGEST_TARGET + volume.block_size)
            found += _plain(volume, extent.at, length, b"XSLM")
    if len(found) < inode.size:
        raise volume.broken("a symbolic link is damaged")
    return found[: inode.size]


def _plain(volume: Volume, at: int, length: int, magic: bytes) -> bytes:
    """What blocks outside of an inode hold, without their header."""
    if not volume.is_v5:
        return volume.bytes_at(at, length)
    header = volume.bytes_at(at, _REMOTE_HEADER)
    (size,) = _REMOTE_BYTES.unpack_from(header, 8)
    if header[:4] != magic or size > length - _REMOTE_HEADER:
        raise volume.broken("an attribute or a symbolic link is damaged")
    return volume.bytes_at(at + _REMOTE_HEADER, size)


def _short(volume: Volume, content: bytes) -> _Pairs:
    found: _Pairs = []
    at = 4
    for _ in range(content[2]):
        size, length, flags = content[at], content[at + 1], content[at + 2]
        middle = at + 3 + size
        at = middle + length
        if at > len(content):
            raise volume.broken("attributes are damaged")
        found += _pair(volume, content[middle - size : middle], content[middle:at], flags)
    return found


def leaf_blocks(volume: Volume, blocks: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    """All leaves from the first one on, along their links, each with its place. blocks: those of
    the fork, and where they are.
    """
    form = FORMS[volume.is_v5]
    number = 0
    block = _block(volume, blocks, 0)
    visited: set[int] = set()
    while block[8:10] == form.node and number not in visited:
        visited.add(number)
        (number,) = struct.unpack_from(">I", block, form.node_header + 4)
        block = _block(volume, blocks, number)
    visited.clear()
    while True:
        if block[8:10] != form.leaf or number in visited:
            raise volume.broken("a tree of attributes is damaged")
        visited.add(number)
        volume.check(blocks[number], block, form.checksum_at, "a leaf of attributes")
        yield blocks[number], block
        (number,) = struct.unpack_from(">I", block)
        if not number:
            return
        block = _block(volume, blocks, number)


def leaf_names(volume: Volume, block: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Of each attribute in a leaf: its index, its flags, its name, and where it is in the leaf."""
    form = FORMS[volume.is_v5]
    (count,) = struct.unpack_from(">H", block, form.count_at)
    for index in range(count):
        _, at, flags = struct.unpack_from(">IHB", block, form.leaf_header + 8 * index)
        start = at + (3 if flags & _LOCAL else 9)
        name = block[start : start + block[start - 1]]
        if len(name) < block[start - 1]:
            raise volume.broken("attributes are damaged")
        yield index, flags, name, at


def _leaf(volume: Volume, blocks: dict[int, int], block: bytes) -> _Pairs:
    found: _Pairs = []
    for _, flags, name, at in leaf_names(volume, block):
        if flags & (_PARENT | _INCOMPLETE):
            continue
        if flags & _LOCAL:
            (length,) = struct.unpack_from(">H", block, at)
            start = at + 3 + len(name)
            value = block[start : start + length]
        else:
            first, length = struct.unpack_from(">II", block, at)
            value = _remote(volume, blocks, first, length)
        if len(value) < length:
            raise volume.broken("attributes are damaged")
        found += _pair(volume, name, value, flags)
    return found


def _remote(volume: Volume, blocks: dict[int, int], first: int, length: int) -> bytes:
    if length > _LONGEST_VALUE:
        raise volume.broken("an attribute is impossibly large")
    value = b""
    while len(value) < length:
        block = _block(volume, blocks, first)
        if volume.is_v5:
            volume.check(blocks[first], block, _REMOTE_CHECKSUM_AT, "the value of an attribute")
        value += _plain(volume, blocks[first], volume.block_size, b"XARM")
        first += 1
    return value[:length]


def _block(volume: Volume, blocks: dict[int, int], number: int) -> bytes:
    if number not in blocks:
        raise volume.broken("a tree of attributes is damaged")
    return volume.bytes_at(blocks[number], volume.block_size)


def _pair(volume: Volume, name: bytes, value: bytes, flags: int) -> _Pairs:
    if flags & (_PARENT | _INCOMPLETE) or (flags & ROOT and name.startswith(_OWN)):
        return []
    if flags & ROOT and name in ACLS:
        return [(ACLS[name], _acl(volume, value))]
    prefix = b"trusted." if flags & ROOT else b"security." if flags & SECURE else b"user."
    return [(prefix + name, value)]


def _acl(volume: Volume, value: bytes) -> bytes:
    (count,) = struct.unpack_from(">I", value)
    if len(value) < 4 + 12 * count:
        raise volume.broken("an ACL is damaged")
    made = [struct.pack("<I", 2)]
    for tag, identity, permissions in struct.iter_unpack(">IIHxx", value[4 : 4 + 12 * count]):
        named = identity if tag in NAMED else 0xFFFFFFFF
        made.append(struct.pack("<HHI", tag, permissions, named))
    return b"".join(made)
