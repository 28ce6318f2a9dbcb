"""Btrfs: what it holds comes back by our own reader, twice the same bytes; the rest is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC, digest

from dockyard.archive import Archive, Entry, Kind
from dockyard.filesystems import btrfs
from dockyard.filesystems.crc32c import crc32c
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, T, file, hard_entries, nasty, plain_entries, same, same_data

SIZE = 160 << 20
build = pytest.mark.build


def holdable() -> Archive:
    """All of the nasty archive, and what a kernel keeps of its own."""
    two = ((b"security.selinux", b"label"), (b"user.two", b"2"))
    own = ((b"btrfs.compression", b"zstd"), (b"trusted.a", b"1"), (b"trusted.overlay.opaque", b"y"))
    link = Entry(b"x/marked", Kind.SYMLINK, 0o777, target=b"two", xattrs=own[2:])
    far = Entry(b"x/far", Kind.SYMLINK, 0o777, target=b"t" * 4094, mtime_ns=T)
    both = (file(b"x/two", xattrs=two), file(b"x/own", xattrs=own), link, far)
    return Archive.from_entries([*plain_entries(), *hard_entries(), *both], DATA)


@build
@pytest.mark.parametrize("compression", ["no", "zstd:3", "zlib"])
def test_what_it_can_hold_comes_back(
    testing_tools: Tools, tmp_path: Path, compression: str
) -> None:
    archive, image = holdable(), tmp_path / "image"
    assert btrfs.refuse(archive) == []
    spec = replace(SPEC, options={"compression": compression})
    btrfs.write(archive, image, SIZE, spec, testing_tools)
    found = btrfs.read(image)
    same(found, archive)
    same_data(found, archive)
    testing_tools.run(["btrfs", "check", "--check-data-csum", str(image)], read=[image])
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@build
def test_the_same_bytes_twice(testing_tools: Tools, tmp_path: Path) -> None:
    btrfs.write(holdable(), tmp_path / "one", SIZE, SPEC, testing_tools)
    time.sleep(1.1)  # the clock of mkfs.btrfs counts seconds
    btrfs.write(holdable(), tmp_path / "two", SIZE, SPEC, testing_tools)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@build
def test_the_minimum_size_is_enough(testing_tools: Tools, tmp_path: Path) -> None:
    data = {b"d%d/f%05d" % (at % 7, at): b"x" * (at % 9000) for at in range(4000)}
    data[b"large"] = b"large" * (20 << 20)
    label = ((b"security.selinux", b"system_u:object_r:usr_t:s0\0"),)
    archive = Archive.from_entries([file(path, xattrs=label) for path in data], data)
    btrfs.write(archive, tmp_path / "image", btrfs.minimum_size(archive), SPEC, testing_tools)
    same(btrfs.read(tmp_path / "image"), archive)


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [
            *nasty(),
            file(b"large", xattrs=((b"user.x", bytes(17000)),)),
            Entry(b"link", Kind.SYMLINK, target=b"x", xattrs=((b"trusted.a", b"1"),)),
            Entry(b"longest", Kind.SYMLINK, target=b"t" * 4095),
            Entry(b"long", Kind.SYMLINK, target=b"t" * 4094),
        ],
        DATA,
    )
    assert {problem.code: problem.where for problem in btrfs.refuse(archive)} == {
        "filesystems.xattr-name": "/link",
        "filesystems.long-target": "/longest",
        "filesystems.xattr-size": "/large",
    }


def test_the_checksum_is_the_one_of_the_standard() -> None:
    # RFC 3720, appendix B.4.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
