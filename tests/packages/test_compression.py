"""Streams of xz and lzma: as many as there are, whole, and in bounded memory."""

from __future__ import annotations

import io
import lzma
import struct

import pytest

from dockyard.packages.compression import decompressed

PLAIN = bytes(range(256)) * 20_000


def plain(data: bytes, suffix: str = ".xz") -> bytes:
    return decompressed(io.BytesIO(data), suffix).read()


@pytest.mark.parametrize("form", [lzma.FORMAT_XZ, lzma.FORMAT_ALONE])
def test_one_stream(form: int) -> None:
    packed = lzma.compress(PLAIN, form)
    assert plain(packed) == plain(packed, ".lzma") == PLAIN
    assert decompressed(io.BytesIO(packed), ".xz").read(7) == PLAIN[:7]
    with pytest.raises(EOFError):
        plain(packed[:-20])


def test_streams_one_after_the_other_and_what_follows_them() -> None:
    one, empty = lzma.compress(PLAIN), lzma.compress(b"")
    for data in (one + one, one + bytes(8) + one, empty + one + empty + one + bytes(4)):
        assert plain(data) == PLAIN * 2
    assert plain(one + b"other things") == PLAIN
    assert plain(one + bytes(3 << 20) + one) == PLAIN * 2


def test_a_stream_may_not_ask_for_any_memory() -> None:
    packed = bytearray(lzma.compress(PLAIN, lzma.FORMAT_ALONE))
    packed[1:5] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(lzma.LZMAError, match="Memory usage limit"):
        plain(bytes(packed))
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}]
    assert plain(lzma.compress(PLAIN, filters=filters)) == PLAIN


def test_what_is_no_stream_is_an_error() -> None:
    with pytest.raises(lzma.LZMAError):
        plain(b"other things that are no stream")
    with pytest.raises(EOFError):
        plain(b"")
