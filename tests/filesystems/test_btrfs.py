"""Btrfs: what it holds comes back by our own reader, twice the same bytes; the rest is refused."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.archive import Archive, Kind
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, btrfs
from dockyard.filesystems.crc32c import crc32c
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, file, hard_entries, nasty, plain_entries, same

SPEC = FilesystemSpec(
    uuid.UUID("0a0b0c0d-0000-4000-8000-000000000001"), label="root", epoch=1_767_225_600
)
SIZE = 160 << 20
build = pytest.mark.build


def holdable() -> Archive:
    """All of the nasty archive but what only root can set."""
    entries = [
        entry
        for entry in [*plain_entries(), *hard_entries()]
        if not any(name.startswith(b"trusted.") for name, _ in entry.xattrs)
    ]
    two = ((b"security.selinux", b"label"), (b"user.two", b"2"))
    return Archive.from_entries([*entries, file(b"x/two", xattrs=two)], DATA)


def digest(path: Path) -> str:
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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
    for entry in archive:
        if entry.kind is Kind.FILE:
            assert found.read(entry.path) == archive.read(entry.path)
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


@build
def test_a_file_system_that_is_too_small_says_what_it_needs(
    testing_tools: Tools, tmp_path: Path
) -> None:
    archive = Archive.from_entries([file(b"f")], {b"f": b"x" * (200 << 20)})
    for size in (16 << 20, SIZE):
        with pytest.raises(DockyardError) as caught:
            btrfs.write(archive, tmp_path / "image", size, SPEC, testing_tools)
        assert caught.value.problems[0].code == "filesystems.too-small"


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [*nasty(), file(b"large", xattrs=((b"user.x", bytes(17000)),))], DATA
    )
    assert {problem.code: problem.where for problem in btrfs.refuse(archive)} == {
        "filesystems.trusted-xattr": "/x/trusted",
        "filesystems.xattr-size": "/large",
    }


def test_what_is_not_an_image_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"x" * 100_000):
        (tmp_path / "image").write_bytes(content)
        with pytest.raises(DockyardError) as caught:
            btrfs.read(tmp_path / "image")
        assert caught.value.problems[0].code == "filesystems.unreadable-image"


def test_the_checksum_is_the_one_of_the_standard() -> None:
    # RFC 3720, appendix B.4.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
