"""What a program prints is told by lines and kept as far as it fits."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from dockyard.host.lines import Lines


def given(data: list[bytes], told: Callable[[str], None] | None = None, most: int = 100) -> bytes:
    lines = Lines(told, most)
    copy = os.dup(lines.descriptor)
    lines.begin()
    with os.fdopen(copy, "wb", buffering=0) as stream:
        for piece in data:
            stream.write(piece)
    return lines.end()


def test_lines_are_told_however_they_come() -> None:
    told: list[str] = []
    assert given([b"on", b"e\ntw", b"o\n\nthr\xffee"], told.append) == b"one\ntwo\n\nthr\xffee"
    assert told == ["one", "two", "", "thr\ufffdee"]


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_what_fits_is_kept(size: int) -> None:
    assert given([b"x" * size]) == b"x" * size


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_of_what_does_not_fit_both_ends_are_kept(piece: int) -> None:
    data = b"".join(b"%04d " % number for number in range(200))
    kept = given([data[at : at + piece] for at in range(0, len(data), piece)])
    assert kept == data[:50] + b"\n... (900 bytes left out)\n" + data[-50:]


def test_a_line_without_end_is_told_in_pieces() -> None:
    told: list[str] = []
    given([b"x" * 1000] * 1000 + [b"\nlast\n"], told.append)
    assert max(map(len, told)) < 1 << 18
    assert sum(map(len, told)) == 1_000_004
