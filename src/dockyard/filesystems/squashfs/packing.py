"""Unpacks what SquashFS has packed: gzip, xz, zstd, LZO and LZ4, each block by itself."""

from __future__ import annotations

import lzma
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dockyard.filesystems.btrfs import lzo

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

Unpack = Callable[[bytes, int], bytes]
"""Gives the data of a block, of not more than so many bytes. Raises ValueError."""
_MOST_FOR_XZ = 64 << 20  # bytes of memory: no block, and so no dictionary, has more than 1 MiB


def _gzip(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most + 1)


def _xz(data: bytes, most: int) -> bytes:
    try:
        return lzma.LZMADecompressor(memlimit=_MOST_FOR_XZ).decompress(data, most + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(str(error)) from error


def _zstd(data: bytes, most: int) -> bytes:
    try:
        return zstd.ZstdDecompressor().decompress(data, most + 1)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError(str(error)) from error


def _lz4(data: bytes, most: int) -> bytes:
    """One block of LZ4 (its Block Format Description)."""
    made, at = bytearray(), 0
    while at < len(data) and len(made) <= most:
        token = data[at]
        length, at = _length(data, at + 1, token >> 4)
        made += data[at : at + length]
        at += length
        if at >= len(data):
            break
        start = len(made) - (data[at] | data[at + 1] << 8)
        length, at = _length(data, at + 2, token & 15)
        length = min(length + 4, most + 1)
        if not 0 <= start < len(made):
            raise ValueError("LZ4 data are damaged")
        back = len(made) - start
        made += (made[start:] * (length // back + 1))[:length]
    return bytes(made)


def _length(data: bytes, at: int, length: int) -> tuple[int, int]:
    """A length that does not fit its half of a byte goes on in whole ones."""
    if length == 15:
        while True:
            more = data[at]
            length, at = length + more, at + 1
            if more != 255:
                break
    return length, at


UNPACK: Mapping[int, Unpack] = {1: _gzip, 3: lzo.segment, 4: _xz, 5: _lz4, 6: _zstd}
"""By the number that the superblock has."""
