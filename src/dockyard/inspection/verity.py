"""Finds hash trees of dm-verity on a disk, and the data that each belongs to.

Which data that are is told by the hash of their first block, which no other data have: neither
names nor a kernel command line need be believed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dockyard.disk.verity import (
    BLOCK,
    Superblock,
    first_hash,
    inline_data_size,
    lowest_level,
    read_superblock,
)
from dockyard.filesystems.image import Region
from dockyard.inspection.disks import FoundPartition

_MAGIC = b"verity\0\0"
_DIGEST = 32
# Trees that others put behind their data begin this much earlier than they might, at most.
_SLACK = 4 << 20


@dataclass(frozen=True, slots=True)
class FoundTree:
    """A hash tree. data, hashes: the numbers of the partitions of both, which may be the same one.
    offset: bytes from the start of the latter to the superblock.
    """

    data: int
    hashes: int
    offset: int
    superblock: Superblock

    @property
    def inline(self) -> bool:
        return self.data == self.hashes


def find_trees(partitions: Iterable[FoundPartition]) -> Iterator[FoundTree]:
    """Every hash tree on a disk whose data are there. Raises OSError."""
    everything = list(partitions)
    for hashes in everything:
        for offset, superblock in _superblocks(hashes):
            candidates = [hashes] if offset else [each for each in everything if each != hashes]
            for data in candidates:
                if _belongs(superblock, data.region, hashes.region, offset):
                    yield FoundTree(data.number, hashes.number, offset, superblock)


def _superblocks(partition: FoundPartition) -> Iterator[tuple[int, Superblock]]:
    """What may be a superblock: at the start of a partition, or behind its file system."""
    region = partition.region
    latest = inline_data_size(region.size)
    places = range(latest, max(0, latest - _SLACK), -BLOCK)
    has_content = partition.content is not None and bool(partition.content.module)
    with region.path.open("rb", buffering=0) as opened:
        for at in places if has_content else (0,):
            raw = os.pread(opened.fileno(), 512, region.start + at)
            found = read_superblock(raw) if raw[: len(_MAGIC)] == _MAGIC else None
            if found is not None:
                yield at, found
                return


def _belongs(superblock: Superblock, data: Region, hashes: Region, offset: int) -> bool:
    room = offset if data == hashes else data.size
    if not BLOCK < superblock.data_size <= room:
        return False
    at = hashes.start + offset + lowest_level(superblock.data_size)
    with hashes.path.open("rb", buffering=0) as opened:
        wanted = os.pread(opened.fileno(), _DIGEST, at)
    with data.path.open("rb", buffering=0) as opened:
        return first_hash(os.pread(opened.fileno(), BLOCK, data.start), superblock.salt) == wanted
