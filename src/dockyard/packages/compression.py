"""Decompression of package payloads and indexes by the suffix of their names: gz, xz, bz2, lzma,
zst.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    lzma.LZMAError,
    zstd.ZstdError,
    zlib.error,
)
"""What a damaged or cut stream raises while it is read."""


class TooLarge(OSError):
    """A stream holds more than it may."""


_RATIO = 200
"""No index compresses better than this; what does was made to fill memory."""
_ALLOWANCE = 1 << 20
_MOST = 2 << 30
_BLOCK = 1 << 20
_MOST_FOR_LZMA = 512 << 20
"""Bytes of memory; xz takes 65 MiB for its highest level."""

SUFFIXES = ("", ".gz", ".xz", ".bz2", ".lzma", ".zst")


def decompressed(source: IO[bytes], suffix: str) -> IO[bytes]:
    """A stream of the plain bytes. suffix: as in file names, with its dot; "" means plain.

    Raises ValueError for a suffix that is not in SUFFIXES; reading raises one of ERRORS when the
    stream is damaged.
    """
    if suffix == "":
        return source
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source, mode="rb"))
    if suffix in (".xz", ".lzma"):
        return cast("IO[bytes]", io.BufferedReader(_Lzma(source), _BLOCK))
    if suffix == ".bz2":
        return cast("IO[bytes]", bz2.BZ2File(source))
    if suffix == ".zst":
        return cast("IO[bytes]", zstd.ZstdFile(source))
    raise ValueError(f"unknown compression {suffix!r}")


class _Lzma(io.RawIOBase):
    """The plain bytes of xz or lzma, streams one after the other, in bounded memory: what a stream
    asks for may be 4 GiB, and lzma.LZMAFile gives it that. What follows the last is passed over, as
    there.
    """

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self._stream = lzma.LZMADecompressor(memlimit=_MOST_FOR_LZMA)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = b""
        while not found:
            if self._stream.eof:
                if not (data := self._next()):
                    return 0
                self._stream = lzma.LZMADecompressor(memlimit=_MOST_FOR_LZMA)
                try:
                    found = self._stream.decompress(data, len(buffer))
                except lzma.LZMAError:
                    return 0
                continue
            data = self._source.read(_BLOCK) if self._stream.needs_input else b""
            if self._stream.needs_input and not data:
                raise EOFError("it ends before its end is marked")
            found = self._stream.decompress(data, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _next(self) -> bytes:
        """What follows a stream, but for the zeros that fill it up."""
        data = self._stream.unused_data.lstrip(b"\0")
        while not data and (more := self._source.read(_BLOCK)):
            data = more.lstrip(b"\0")
        return data


def read_whole(path: Path, suffix: str, declared: int | None = None) -> bytes:
    """The plain bytes of a compressed index.

    declared: the size that a trusted file gives it, bytes. More than that, or more than any index
    of the file's size has, raises TooLarge before it is held in memory; else as `decompressed`.
    """
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        limit = min(size * _RATIO + _ALLOWANCE, _MOST) if suffix else size
        limit = limit if declared is None else min(limit, declared)
        return read_up_to(decompressed(source, suffix), limit)


def read_up_to(source: IO[bytes], limit: int) -> bytes:
    """All that a stream has. Raises TooLarge when that is more than a number of bytes."""
    parts = []
    left = limit
    while block := source.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            raise TooLarge(f"it holds more than the {limit} bytes that it may")
        parts.append(block)
    return b"".join(parts)
