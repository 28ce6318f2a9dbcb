"""Decompression of package payloads and indexes by the suffix of their names: gz, xz, bz2, lzma,
zst.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
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
        return cast("IO[bytes]", lzma.LZMAFile(source))
    if suffix == ".bz2":
        return cast("IO[bytes]", bz2.BZ2File(source))
    if suffix == ".zst":
        return cast("IO[bytes]", zstd.ZstdFile(source))
    raise ValueError(f"unknown compression {suffix!r}")
