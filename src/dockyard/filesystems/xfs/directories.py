"""Reads the directories of XFS: kept in the inode, in one block, or in blocks with indices apart.

Names are in the blocks of the first 32 GiB of a directory's own space; the indices by hash and the
lists of free space that come after it are not needed to list them.
"""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.filesystems.xfs.volume import LOCAL, Inode, Volume

_END = 32 << 30
_HEADER, _HEADER_V4 = 64, 16
CHECKSUM_AT, _OWNER_AT = 4, 40
_TYPE_DIRECTORY = 2
_BLOCKS = {True: (b"XDB3", b"XDD3"), False: (b"XD2B", b"XD2D")}

Name = tuple[bytes, int, int]
"""A name, its inode's number, and the type that the directory notes of it, or 0."""


def names(volume: Volume, inode: Inode) -> Iterator[Name]:
    """What is in a directory, without `.` and `..`."""
    if inode.mode & 0o170000 != 0o040000:
        raise volume.broken(f"inode {inode.number} is not a directory")
    if inode.data.form == LOCAL:
        yield from (name for name, _ in _short(volume, inode.data.content))
        return
    for places, block in blocks_of(volume, inode):
        volume.check(places[0], block, CHECKSUM_AT, f"the directory block at {places[0]}")
        yield from (name for name, _ in _block(volume, block))


def noted_types(volume: Volume, content: bytes, *, short: bool) -> Iterator[tuple[bytes, int]]:
    """Names, and where in the content the type of each is noted. content: of the fork of a short
    directory, or a block. There is none where types are not noted.
    """
    if volume.superblock.has_file_types:
        found = _short(volume, content) if short else _block(volume, content)
        yield from ((name, at) for (name, _, _), at in found)


def is_directory(volume: Volume, number: int, noted: int) -> bool:
    """Whether a name is of a directory; asks the inode where the name's type was not noted."""
    if noted:
        return noted == _TYPE_DIRECTORY
    return volume.inode(number).mode & 0o170000 == 0o040000


def _short(volume: Volume, content: bytes) -> Iterator[tuple[Name, int]]:
    count, wide = content[0], content[1]
    size = 8 if wide else 4
    typed = int(volume.superblock.has_file_types)
    at = 2 + size
    for _ in range(count):
        length = content[at]
        name = content[at + 3 : at + 3 + length]
        at += 3 + length + typed
        if at + size > len(content):
            raise volume.broken("a directory is damaged")
        number = int.from_bytes(content[at : at + size], "big")
        yield (name, number, content[at - 1] * typed), at - 1
        at += size


def blocks_of(volume: Volume, inode: Inode) -> Iterator[tuple[list[int], bytes]]:
    """The blocks with names, each with the places of what it is made of, block by block."""
    size = volume.superblock.directory_block
    each, block_size = size // volume.block_size, volume.block_size
    places: list[int] = []
    parts, expected = bytearray(), -1
    for logical, at in volume.blocks(inode.data):
        if logical * block_size >= _END:
            return
        if logical % each == 0:
            places, parts = [], bytearray()
        elif logical != expected:
            raise volume.broken("a directory is damaged")
        places.append(at)
        parts += volume.bytes_at(at, block_size)
        expected = logical + 1
        if len(parts) == size:
            block = bytes(parts)
            owner = int.from_bytes(block[_OWNER_AT : _OWNER_AT + 8], "big")
            if volume.is_v5 and owner != inode.number:
                raise volume.broken(f"a block of directory {inode.number} is of another")
            yield places, block


def _block(volume: Volume, block: bytes) -> Iterator[tuple[Name, int]]:
    single, several = _BLOCKS[volume.is_v5]
    end = len(block)
    if block[:4] == single:
        end -= 8 + 8 * int.from_bytes(block[end - 8 : end - 4], "big")
    elif block[:4] != several:
        raise volume.broken("a directory is damaged")
    typed = int(volume.superblock.has_file_types)
    at = _HEADER if volume.is_v5 else _HEADER_V4
    while at < end:
        if block[at : at + 2] == b"\xff\xff":
            length = int.from_bytes(block[at + 2 : at + 4], "big")
            if not length:
                raise volume.broken("a directory is damaged")
            at += length
            continue
        length = block[at + 8]
        stop = at + 9 + length
        name = block[at + 9 : stop]
        if stop + typed > end:
            raise volume.broken("a directory is damaged")
        if name != b"." and name != b"..":
            number = int.from_bytes(block[at : at + 8], "big")
            yield (name, number, block[stop] * typed), stop
        at += 11 + length + typed + 7 & ~7
