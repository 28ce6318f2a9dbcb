"""The blocks of a raw disk that are not all zeros: what formats with a table of blocks hold.

Which these are is decided by what they contain, not by where the file has holes: the same disk
gives the same blocks however it was written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from dockyard.host import stopping
from dockyard.host.files import data_ranges

_DIGESTED = 1 << 20


def blocks(disk: Path, size: int, block: int) -> Iterator[tuple[int, bytes]]:
    """The number and the content of each block, in order; a last one is filled up with zeros.

    size: bytes of the disk, which the file may go on behind. block: bytes of a block.
    """
    zeros = bytes(block)
    done = 0
    with disk.open("rb", buffering=0) as file:
        for start, end in data_ranges(file.fileno(), size):
            # Two ranges may lie in one block.
            first, done = max(start // block, done), -(-end // block)
            for number in range(first, done):
                stopping.check()
                at = number * block
                data = os.pread(file.fileno(), min(block, size - at), at).ljust(block, b"\0")
                if data != zeros:
                    yield number, data


def content_seed(disk: Path, size: int) -> bytes:
    """What ids of a disk can be derived from: SHA-256 over its size and its blocks."""
    digest = hashlib.sha256(size.to_bytes(8, "little"))
    for number, data in blocks(disk, size, _DIGESTED):
        digest.update(number.to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
