"""Packages that someone made to be read wrongly."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd
from packages_for_rpm import rich_package, write

from dockyard.errors import DockyardError
from dockyard.packages.rpm.payload import MalformedPayload, read_cpio
from dockyard.packages.rpm.reader import read_package


@pytest.mark.parametrize("length", [0, 4097, 0xFFFFFFFF])
def test_a_path_of_a_payload_has_a_length_that_paths_have(length: int) -> None:
    numbers = (1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, length, 0)
    entry = io.BytesIO(b"070701" + b"%08x" * 13 % numbers + bytes(8192))
    with pytest.raises(MalformedPayload, match="has a path that is none"):
        list(read_cpio(entry))
    assert entry.tell() == 110  # nothing of it was read


def test_a_path_of_a_payload_ends_at_its_end() -> None:
    numbers = (1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 0)
    entry = b"070701" + b"%08x" * 13 % numbers + b"a\0bcd\0"
    with pytest.raises(MalformedPayload, match="has a path that is none"):
        list(read_cpio(io.BytesIO(entry)))


@pytest.mark.parametrize(
    "number", [b"-0000001", b"+0000001", b"0_000001", b" 0000001", b"0x000001"]
)
@pytest.mark.parametrize("field", range(13))
def test_numbers_of_a_payload_are_digits_and_nothing_else(number: bytes, field: int) -> None:
    good = [b"%08x" % each for each in (1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0)]
    trailer = b"070701" + b"%08x" * 11 % ((0,) * 11) + b"%08x" % 11 + bytes(8) + b"TRAILER!!!\0"
    trailer = trailer.replace(bytes(8), b"0" * 8) + bytes(-len(trailer) % 4)
    entry = b"070701" + b"".join(good) + b"x\0"
    assert list(read_cpio(io.BytesIO(entry + trailer))) == [("x", 0o100644, 1, b"")]
    good[field] = number
    with pytest.raises(MalformedPayload, match="damaged head"):
        list(read_cpio(io.BytesIO(b"070701" + b"".join(good) + b"x\0" + trailer)))


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    package = rich_package()
    short = write(replace(package, name="n" * 200), tmp_path / "short.rpm")
    assert len(read_package(short).name) == 200
    for name, version in (("n" * 250, "1"), ("n" * 20, "1." * 110 + "1"), ("ü" * 120, "1")):
        path = write(replace(package, name=name, version=version), tmp_path / "long.rpm")
        with pytest.raises(DockyardError) as caught:
            read_package(path)
        (problem,) = caught.value.problems
        assert problem.code == "rpm.malformed" and "more than 240 bytes" in problem.why


@pytest.mark.parametrize("damage", ["cut", "compressed"])
def test_damage_within_a_file_is_the_error_of_the_package_however_it_is_read(
    tmp_path: Path, damage: str
) -> None:
    path = write(rich_package(), tmp_path / "a.rpm")
    start = read_package(path).payload_offset
    whole = path.read_bytes()
    if damage == "cut":
        plain = zstd.decompress(whole[start:])
        at = plain.index(b"ZZZZ") + 50
        path.write_bytes(whole[:start] + zstd.compress(plain[:at]))
    else:
        path.write_bytes(whole[:-40])
    package = read_package(path)
    readers: list[Callable[[], object]] = [
        lambda: [b"".join(pieces) for *_, pieces in package.in_pieces()],
        lambda: [*package.contents()],
        lambda: [*package.entries()],
    ]
    for read in readers:
        with pytest.raises(DockyardError) as caught:
            read()
        assert caught.value.problems[0].code == "rpm.malformed"
