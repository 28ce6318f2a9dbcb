"""Reads `Packages.db`, the database of headers in rpm's own format ndb (rpm's
lib/backend/ndb/rpmpkg.c). All numbers are of 32 bits, little-endian.

    header   magic "RpmP", version 0, generation, pages of slots, next index; 12 bytes of nothing
    slots    16 bytes each, from byte 32 on: magic "Slot", index (0: free), offset, length, the last
             two in blocks of 16 bytes
    blob     magic "BlbS", index, generation, bytes of the header; the header; zeros up to a block;
             Adler-32 of all before, bytes of the header, magic "BlbE"
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_HEADER = struct.Struct("<4s4I")
_SLOT = struct.Struct("<4s3I")
_BEGIN = struct.Struct("<4s3I")
_END = struct.Struct("<2I4s")
_FIRST_SLOT = 32
_BLOCK = 16
_PAGE = 4096


class Damaged(ValueError):
    """The bytes are no such database, or one that contradicts itself."""


def headers(data: bytes) -> Iterator[bytes]:
    """The headers without their magic, by their indices. Raises Damaged."""
    if len(data) < _FIRST_SLOT:
        raise Damaged("it is too short")
    magic, version, _, pages, _ = _HEADER.unpack_from(data)
    end = pages * _PAGE
    if magic != b"RpmP" or version != 0 or not end or end > len(data):
        raise Damaged("its header is not one of this format")
    slots = []
    for at in range(_FIRST_SLOT, end, _SLOT.size):
        mark, index, offset, length = _SLOT.unpack_from(data, at)
        if mark != b"Slot":
            raise Damaged(f"there is no slot at byte {at}")
        if index:
            slots.append((index, offset * _BLOCK, length * _BLOCK))
    if len({index for index, _, _ in slots}) < len(slots):
        raise Damaged("two packages have one index")
    if sum(length for _, _, length in slots) > len(data):
        raise Damaged("its packages are larger than it is")
    for index, offset, length in sorted(slots):
        yield _blob(data[offset : offset + length], index, length)


def _blob(blob: bytes, index: int, length: int) -> bytes:
    if len(blob) != length or length < _BEGIN.size + _END.size:
        raise Damaged(f"package {index} is not whole")
    begin, its_index, _, size = _BEGIN.unpack_from(blob)
    checksum, its_size, end = _END.unpack_from(blob, length - _END.size)
    if (begin, end, its_index, its_size) != (b"BlbS", b"BlbE", index, size):
        raise Damaged(f"package {index} is not where it should be")
    if size > length - _BEGIN.size - _END.size:
        raise Damaged(f"package {index} is longer than its place")
    if zlib.adler32(blob[: length - _END.size]) != checksum:
        raise Damaged(f"package {index} has another checksum")
    return blob[_BEGIN.size : _BEGIN.size + size]
