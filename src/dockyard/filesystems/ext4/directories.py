"""The names in directories of ext2, ext3 and ext4: in blocks, or in the inode (inline_data).

Layout: Documentation/filesystems/ext4/directory.rst of Linux. The inner nodes of a hashed directory
and the checksums at the end of blocks look like unused entries, so all are read one after the
other.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator

from dockyard.filesystems.ext4.attributes import inline_rest
from dockyard.filesystems.ext4.features import FILETYPE, INLINE_DATA, refusal_of_inode
from dockyard.filesystems.ext4.mapping import extents
from dockyard.filesystems.ext4.superblock import FSCK
from dockyard.filesystems.ext4.volume import ROOT_INODE, Inode, Volume

_DIRENT = struct.Struct("<IHBB")
_LARGEST_BLOCK = 1 << 16
_PARENT_SIZE = 4
_CHECKSUM = bytes.fromhex("00000000 0c00 00 de")
_CHECKSUM_SIZE = 12


def names(volume: Volume, inode: Inode) -> Iterator[tuple[bytes, int, int]]:
    """Names, inode numbers and file types of what is in a directory; without `.` and `..`.

    The type is 0 where it is not known.
    """
    if not stat.S_ISDIR(inode.mode):
        raise volume.broken(f"inode {inode.number} is not a directory", FSCK)
    if refused := refusal_of_inode(inode.number, inode.flags):
        raise volume.broken(*refused)
    if inode.flags & INLINE_DATA:
        yield from _entries(volume, inode, inode.area[_PARENT_SIZE:])
        yield from _entries(volume, inode, inline_rest(volume, inode))
        return
    blocks = -(-inode.size // volume.block_size)
    for extent in extents(volume, inode):
        for index in range(min(extent.blocks, blocks - extent.logical)):
            block = volume.block(extent.physical + index)
            _verify(volume, inode, block)
            yield from _entries(volume, inode, block)


def _verify(volume: Volume, inode: Inode, block: bytes) -> None:
    """Compare the checksum of a block of names. That of a node of a hashed directory, from which
    none are read, lies elsewhere, and is not compared.
    """
    end = len(block) - _CHECKSUM_SIZE
    if not volume.has_checksums or block[end : end + 8] != _CHECKSUM or _is_node(block):
        return
    if volume.checksum_in(inode, block[:end]) != int.from_bytes(block[end + 8 :], "little"):
        raise volume.broken(f"the checksum of directory {inode.number} is wrong", FSCK)


def _is_node(block: bytes) -> bool:
    """Whether an entry reaches to the very end, where the checksum of names would be: the first of
    an inner node, the second of the root node.
    """
    sizes = _DIRENT.unpack_from(block, 0)[1], _DIRENT.unpack_from(block, 12)[1]
    whole = min(len(block), _LARGEST_BLOCK - 1)
    return sizes[0] == whole or sizes == (12, len(block) - 12)


def _entries(volume: Volume, inode: Inode, block: bytes) -> Iterator[tuple[bytes, int, int]]:
    facts = volume.facts
    has_types = facts.incompatible & FILETYPE
    at, end = 0, len(block)
    while at + 8 <= end:
        number, length, size, kind = _DIRENT.unpack_from(block, at)
        if length in (0, _LARGEST_BLOCK - 1) and end == _LARGEST_BLOCK:
            length = _LARGEST_BLOCK
        if length < 8 or length & 3 or at + length > end:
            raise volume.broken(f"directory {inode.number} is damaged", FSCK)
        if number:
            name = block[at + 8 : at + 8 + size]
            if length < 8 + size:
                raise volume.broken(f"directory {inode.number} is damaged", FSCK)
            if name not in (b".", b".."):
                if number > facts.inodes or number < facts.first_inode or number == ROOT_INODE:
                    why = f"directory {inode.number} has a name of inode {number}"
                    raise volume.broken(why, FSCK)
                yield name, number, kind if has_types else 0
        at += length
