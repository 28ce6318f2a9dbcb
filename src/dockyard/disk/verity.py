"""Hash trees of dm-verity: how large they are, where data ends that share a partition with one, and
the trees themselves.

Format: the kernel's Documentation/admin-guide/device-mapper/verity.rst (version 1: each hash is of
the salt, then the block) with the superblock of cryptsetup: byte for byte what
`veritysetup format --hash=sha256` writes. Pure work on files, so no device of the machine is asked
for.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from dockyard.host.files import data_ranges

BLOCK = 4096  # of data and of hashes
_DIGEST = 32
_PER_BLOCK = BLOCK // _DIGEST
_MAGIC = b"verity\0\0"
# signature, version, type of hash, UUID, algorithm, sizes of blocks, blocks of data, size of salt
_SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6x256s168x")
_VERSION, _SALT_FIRST = 1, 1
_CHUNK = 256 * BLOCK


@dataclass(frozen=True, slots=True)
class Superblock:
    """What stands before a hash tree. data_size: bytes of the data that it covers."""

    uuid: UUID
    data_size: int
    salt: bytes

    def packed(self) -> bytes:
        """Its 512 bytes."""
        blocks = self.data_size // BLOCK
        salt = len(self.salt), self.salt
        name = b"sha256"
        return _SUPERBLOCK.pack(
            _MAGIC, _VERSION, _SALT_FIRST, self.uuid.bytes, name, BLOCK, BLOCK, blocks, *salt
        )


def read_superblock(raw: bytes) -> Superblock | None:
    """The superblock that bytes begin with; None where there is none, or one of another kind of
    tree than is written here.
    """
    if len(raw) < _SUPERBLOCK.size:
        return None
    found = _SUPERBLOCK.unpack_from(raw)
    kind, identity, (blocks, length, salt) = found[:3], found[3], found[7:]
    if kind != (_MAGIC, _VERSION, _SALT_FIRST) or found[5:7] != (BLOCK, BLOCK) or length > 256:
        return None
    if found[4].rstrip(b"\0") != b"sha256":
        return None
    return Superblock(UUID(bytes=identity), blocks * BLOCK, salt[:length])


def tree_size(data_size: int) -> int:
    """Bytes that a hash tree takes with its superblock."""
    blocks, total = data_size // BLOCK, 1
    while blocks > 1:
        blocks = -(-blocks // _PER_BLOCK)
        total += blocks
    return total * BLOCK


def inline_data_size(size: int) -> int:
    """Where data end that share a partition of `size` bytes with their hash tree: as many whole
    blocks as leave room for it.
    """
    low, high = 0, size // BLOCK
    while low < high:
        middle = (low + high + 1) // 2
        fits = middle * BLOCK + tree_size(middle * BLOCK) <= size
        low, high = (middle, high) if fits else (low, middle - 1)
    return low * BLOCK


def write_tree(data: Path, superblock: Superblock, out: Path, at: int = 0) -> bytes:
    """Write the hash tree of a file into another, or the same, at an offset in bytes; gives the
    root hash. What the file lacks of the size of the data counts as zeros.
    """
    levels, root = _tree(_leaves(data, superblock), superblock.salt)
    # Opened without being cut: it may hold the data.
    with open(os.open(out, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as opened:
        opened.seek(at)
        opened.write(superblock.packed().ljust(BLOCK, b"\0"))
        for level in reversed(levels):
            opened.write(level)
    return root


def root_hash(data: Path, superblock: Superblock) -> bytes:
    """The root hash of a file, without writing its tree."""
    return _tree(_leaves(data, superblock), superblock.salt)[1]


def _tree(leaves: bytes, salt: bytes) -> tuple[list[bytes], bytes]:
    """The levels of a tree, the lowest first, each in whole blocks, and the root hash."""
    digest = _digests(salt)
    levels = []
    hashes = leaves
    while len(hashes) > _DIGEST:
        levels.append(hashes.ljust(-(-len(hashes) // BLOCK) * BLOCK, b"\0"))
        hashes = digest(levels[-1])
    return levels, hashes


def _digests(salt: bytes) -> Callable[[bytes], bytes]:
    """A function that gives the hashes of all blocks of some bytes."""
    salted = hashlib.sha256(salt).copy

    def digest(content: bytes) -> bytes:
        view, found = memoryview(content), bytearray()
        for at in range(0, len(content), BLOCK):
            one = salted()
            one.update(view[at : at + BLOCK])
            found += one.digest()
        return bytes(found)

    return digest


def _leaves(data: Path, superblock: Superblock) -> bytes:
    """The hashes of all blocks of data. Holes are not read: all their blocks have one hash."""
    digest = _digests(superblock.salt)
    empty = digest(bytes(BLOCK))
    found = bytearray()
    with data.open("rb", buffering=0) as opened:
        for start, end in _filled(opened.fileno(), superblock.data_size):
            found += empty * (start // BLOCK - len(found) // _DIGEST)
            for at in range(start, end, _CHUNK):
                wanted = min(_CHUNK, end - at)
                found += digest(os.pread(opened.fileno(), wanted, at).ljust(wanted, b"\0"))
    found += empty * (superblock.data_size // BLOCK - len(found) // _DIGEST)
    return bytes(found)


def _filled(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of whole blocks, in order and apart, that hold all data of a file."""
    begin = stop = 0
    for start, end in data_ranges(descriptor, min(size, os.fstat(descriptor).st_size)):
        low, high = start // BLOCK * BLOCK, min(-(-end // BLOCK) * BLOCK, size)
        if low > stop:
            if stop > begin:
                yield begin, stop
            begin = low
        stop = max(stop, high)
    if stop > begin:
        yield begin, stop


def lowest_level(data_size: int) -> int:
    """How far behind its superblock the level of a tree begins that has the hashes of data."""
    return tree_size(data_size) - -(-data_size // BLOCK // _PER_BLOCK) * BLOCK


def first_hash(block: bytes, salt: bytes) -> bytes:
    """The first hash of the lowest level of a tree, by the first block of data."""
    return _digests(salt)(block)
