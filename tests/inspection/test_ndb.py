"""rpm's database of the format ndb, and ones that lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import pytest

from dockyard.inspection.ndb import Damaged, headers

PAGE, BLOCK = 4096, 16


def blob(index: int, content: bytes) -> bytes:
    made = struct.pack("<4s3I", b"BlbS", index, 0, len(content)) + content
    made += bytes(-(len(made) + 12) % BLOCK)
    return made + struct.pack("<2I4s", zlib.adler32(made), len(content), b"BlbE")


def database(slots: Iterable[tuple[int, int, int]], blobs: bytes) -> bytes:
    """slots: index, place and length in bytes."""
    told = b"".join(
        struct.pack("<4s3I", b"Slot", index, at // BLOCK, length // BLOCK)
        for index, at, length in slots
    )
    pages = -(-(32 + len(told)) // PAGE)
    told += struct.pack("<4s3I", b"Slot", 0, 0, 0) * ((pages * PAGE - 32 - len(told)) // BLOCK)
    return struct.pack("<4s4I", b"RpmP", 0, 0, pages, 0) + bytes(12) + told + blobs


def test_headers_come_by_their_indices() -> None:
    one, two = blob(1, b"one"), blob(2, b"two" * 9)
    slots = [(2, PAGE + len(one), len(two)), (1, PAGE, len(one))]
    assert [*headers(database(slots, one + two))] == [b"one", b"two" * 9]


def test_one_blob_is_not_many_packages() -> None:
    large = blob(1, bytes(1 << 20))
    slots = [(1, 4 * PAGE, len(large))] * 1000
    with pytest.raises(Damaged, match="two packages have one index"):
        [*headers(database(slots, large))]
    slots = [(index, 4 * PAGE, len(large)) for index in range(1, 1001)]
    with pytest.raises(Damaged, match="larger than it is"):
        [*headers(database(slots, large))]
