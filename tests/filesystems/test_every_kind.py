"""What holds of all kinds of file systems, whoever writes and reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC, digest

from dockyard.archive import Archive, scan, unpack
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name, ext4, vfat
from dockyard.filesystems.image import Region
from dockyard.host import mounts
from dockyard.host.sandbox import Tools
from nasty_archive import file, plain


def test_they_are_known_by_the_names_of_configurations() -> None:
    assert by_name("ext4") is ext4
    assert by_name("fat32") is vfat
    with pytest.raises(DockyardError) as caught:
        by_name("ntfs")
    assert caught.value.problems[0].code == "filesystems.unknown"


@pytest.mark.parametrize("name", ["ext4", "erofs", "squashfs", "xfs", "btrfs", "vfat"])
@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 10_000, b"x" * 100_000, b"XFSB", bytes(510) + b"\x55\xaa"],
    ids=["empty", "short", "long", "begun", "boot-sector"],
)
def test_what_is_not_an_image_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(DockyardError) as caught:
        by_name(name).read(tmp_path / "image", Tools(tmp_path), tmp_path)
    assert caught.value.problems[0].code == "filesystems.unreadable-image"


@pytest.mark.build
@pytest.mark.parametrize(
    ("name", "size", "options"), [("ext4", 64 << 20, {}), ("erofs", 0, {"compression": "lz4"})]
)
def test_the_same_bytes_from_trees_made_in_another_order(
    tools: Tools, tmp_path: Path, name: str, size: int, options: dict[str, str]
) -> None:
    spec, images = replace(SPEC, options=options), []
    for made, reverse in (("one", False), ("two", True)):
        at, image = tmp_path / made, tmp_path / f"{made}.img"
        at.mkdir()
        with mounts.tmpfs(at):
            unpack(plain(), at, reverse=reverse)
            by_name(name).write(scan(at, epoch=SPEC.epoch), image, size, spec, tools)
        images.append(digest(image))
    assert images[0] == images[1]


@pytest.mark.build
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("ext4", 64 << 20, {}),
        ("erofs", 0, {}),
        ("erofs", 0, {"compression": "lz4"}),
        ("xfs", 320 << 20, {}),
        ("btrfs", 160 << 20, {}),
        ("vfat", 8 << 20, {}),
    ],
)
def test_one_that_is_part_of_a_disk_is_read_where_it_lies(
    tools: Tools,
    testing_tools: Tools,
    tmp_path: Path,
    name: str,
    size: int,
    options: dict[str, str],
) -> None:
    filesystem, image = by_name(name), tmp_path / "image"
    given = tools if filesystem.needs == "main" else testing_tools
    holds = Archive.from_entries([file(b"f")], {b"f": b"data" * 5000})
    filesystem.write(holds, image, size, replace(SPEC, options=options), given)
    alone = filesystem.read(image, given, tmp_path)
    for start in (1 << 20, 63 * 512):
        disk = tmp_path / f"disk-{start}"
        with disk.open("wb") as whole:
            whole.seek(start)
            whole.write(image.read_bytes() + b"what comes next")
        region = Region(disk, start, image.stat().st_size)
        found = filesystem.read(region, given, tmp_path)
        assert found.entries == alone.entries
        assert found.read(b"f") == b"data" * 5000
        unread = filesystem.read(region, given, tmp_path, digests=False)
        digests = {entry.path: entry.digest for entry in alone if entry.digest}
        assert [entry.digest for entry in unread if entry.path == b"f"] == [None]
        assert unread.with_digests(digests).entries == alone.entries
        assert unread.read(b"f") == b"data" * 5000
        beyond = Region(disk, start + (64 << 20), 1 << 30)
        with pytest.raises(DockyardError) as caught:
            filesystem.read(beyond, given, tmp_path)
        assert "past the end" in caught.value.problems[0].why


@pytest.mark.build
@pytest.mark.parametrize(
    ("name", "data", "size"),
    [
        ("ext4", 30, 16),
        ("erofs", 5, 4),
        ("xfs", 320, 64),
        ("xfs", 320, 300),
        ("btrfs", 200, 16),
        ("btrfs", 200, 160),
        ("vfat", 3, 2),
    ],
)
def test_one_that_is_too_small_says_what_it_needs(
    tools: Tools, testing_tools: Tools, tmp_path: Path, name: str, data: int, size: int
) -> None:
    """Sizes are in MiB."""
    archive = Archive.from_entries([file(b"f")], {b"f": b"x" * (data << 20)})
    filesystem = by_name(name)
    given = tools if filesystem.needs == "main" else testing_tools
    with pytest.raises(DockyardError) as caught:
        filesystem.write(archive, tmp_path / "image", size << 20, SPEC, given)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.too-small"
    assert f"{size} MiB are there" in problem.what
