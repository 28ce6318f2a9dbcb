"""ISO 9660: what xorriso writes is read, with Rock Ridge and without it."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from dockyard.archive import Archive, Kind
from dockyard.errors import DockyardError
from dockyard.filesystems import image as mapped
from dockyard.filesystems import iso9660
from dockyard.filesystems.image import Region
from dockyard.host.sandbox import Tools

EPOCH = 1_767_225_600
LONG = "a name that is long enough to go on in another area of the record, " * 3


def medium(folder: Path, tools: Tools, *words: str) -> Path:
    """A medium with a tree of every kind that Rock Ridge has."""
    tree, image = folder / "tree", folder / "medium.iso"
    (tree / "docs/deep/er").mkdir(parents=True)
    (tree / "docs/readme").write_bytes(b"read me\n" * 1000)
    (tree / "docs/empty").write_bytes(b"")
    (tree / "docs/deep/er/run").write_bytes(b"#!/bin/sh\n")
    (tree / "docs/deep/er/run").chmod(0o755)
    (tree / LONG).write_bytes(b"long")
    (tree / "many").mkdir()
    for number in range(200):
        (tree / f"many/file with number {number:03}").write_bytes(b"%d" % number)
    (tree / "link").symlink_to("/docs/../docs/./readme")
    for path in tree.rglob("*"):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    image.touch()
    argv = ["xorriso", "-as", "mkisofs", "-quiet", "-volid", "A_MEDIUM", *words, "-o", str(image)]
    tools.run([*argv, str(tree)], read=[tree], write=[image])
    return image


@pytest.mark.build
def test_what_rock_ridge_has_is_read(tools: Tools, tmp_path: Path) -> None:
    image = medium(tmp_path, tools, "-r")
    found = iso9660.read(image)
    tree = tmp_path / "tree"
    expected = {bytes(path.relative_to(tree)): path for path in tree.rglob("*")}
    assert {entry.path for entry in found} == {b"", *expected}
    for path, on_disk in expected.items():
        entry, told = found.find(path), on_disk.lstat()
        assert entry is not None
        assert (entry.uid, entry.gid, entry.mtime_ns) == (0, 0, EPOCH * 10**9)
        assert bool(entry.mode & 0o111) == bool(told.st_mode & 0o111)
        if stat.S_ISREG(told.st_mode):
            assert found.read(path) == on_disk.read_bytes()
        elif stat.S_ISLNK(told.st_mode):
            assert entry.target == b"/docs/../docs/./readme"


@pytest.mark.build
def test_without_rock_ridge_names_are_as_linux_shows_them(tools: Tools, tmp_path: Path) -> None:
    found = iso9660.read(medium(tmp_path, tools, "--norock"))
    assert found.read(b"docs/readme") == b"read me\n" * 1000
    kinds = {entry.path: entry.kind for entry in found}
    assert kinds[b"docs/deep/er"] is Kind.DIRECTORY


@pytest.mark.build
def test_files_are_found_where_they_lie(tools: Tools, tmp_path: Path) -> None:
    image = medium(tmp_path, tools, "-r")
    label, files = iso9660.regions(image)
    assert label == "A_MEDIUM"
    place = files["docs/readme"]
    assert image.read_bytes()[place.start : place.start + place.size] == b"read me\n" * 1000
    shifted = tmp_path / "shifted"
    shifted.write_bytes(bytes(4096) + image.read_bytes())
    moved = iso9660.regions(Region(shifted, 4096, image.stat().st_size))[1]["docs/readme"]
    assert moved.start == place.start + 4096


@pytest.mark.build
def test_damage_is_the_error_of_the_medium_and_nothing_else(tools: Tools, tmp_path: Path) -> None:
    image = medium(tmp_path, tools, "-r")
    whole, refused = image.read_bytes(), 0
    root = int.from_bytes(whole[16 * 2048 + 158 : 16 * 2048 + 162], "little") * 2048
    places = [*range(16 * 2048 + 156, 16 * 2048 + 190), *range(root, root + 2048, 5)]
    for place in places:
        image.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            iso9660.read(image)
        except DockyardError as error:
            assert error.problems[0].code == "filesystems.unreadable-image"
            refused += 1
    assert refused > 5


def record(name: bytes, sector: int, size: int, *, is_directory: bool = False) -> bytes:
    length = 33 + len(name) + (len(name) + 1) % 2
    head = struct.pack("<BBI4xI4x7sBBB4xB", length, 0, sector, size, bytes(7), 2 * is_directory,
                       0, 0, len(name))  # fmt: skip
    return (head + name).ljust(length, b"\0")


def laid_out(root: bytes, *others: bytes) -> bytes:
    """A medium whose root directory is in the sector 17, followed by others."""
    sectors = [bytes(2048)] * 16
    place = record(b"\0", 17, 2048, is_directory=True)
    sectors.append((b"\x01CD001".ljust(156, b"\0") + place).ljust(2048, b"\0"))
    return b"".join([*sectors, *(each.ljust(2048, b"\0") for each in (root, *others))])


def test_directories_that_lie_over_one_another_hold_no_more_than_there_is(tmp_path: Path) -> None:
    count = 40
    files = [b"".join(record(b"F%d.%d" % (at, n), 17, 9) for n in range(45)) for at in range(count)]
    above = b"".join(
        record(b"D%d" % at, 18 + at, (count - at) * 2048, is_directory=True) for at in range(count)
    )
    image = tmp_path / "medium"
    image.write_bytes(laid_out(above, *files))
    with pytest.raises(DockyardError) as caught:
        iso9660.read(image)
    assert caught.value.problems[0].why == "its directories are larger than it is"


def test_files_that_share_their_data_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = b"".join(record(b"F%d" % number, 18, 1 << 20) for number in range(45))
    image = tmp_path / "medium"
    image.write_bytes(laid_out(shared, *[bytes(2048)] * 512))
    assert len(iso9660.read(image)) == 46  # within reason
    monkeypatch.setattr(mapped, "_MOST_HOLES", 1)
    monkeypatch.setattr(mapped, "_MOST_SHARED", 40 << 20)
    with pytest.raises(DockyardError, match="could not be read"):
        iso9660.read(image)


def with_area(name: bytes, area: bytes) -> bytes:
    """A record of a file with an area of Rock Ridge."""
    made = bytearray(record(name, 18, 0) + area)
    made[0] = len(made)
    return bytes(made)


def onward(length: int) -> bytes:
    """What says that an area goes on at the beginning of the sector 18."""
    return b"CE\x1c\1" + struct.pack("<I4xI4xI4x", 18, 0, length)


@pytest.mark.parametrize(
    ("area", "more", "why"),
    [
        (onward(2049), b"", "an area of a record is larger than a sector"),
        (onward(228), b"NM\x64\1\1" + b"n" * 95 + b"NM\x64\1\1" + b"n" * 95 + onward(228),
         "a name, or the target of a link, is impossibly long"),
        (onward(278), b"SL\xfa\1\0" + b"\0\xf3" + b"n" * 243 + onward(278),
         "a name, or the target of a link, is impossibly long"),
    ],
)  # fmt: skip
def test_what_goes_on_in_other_areas_has_an_end(
    tmp_path: Path, area: bytes, more: bytes, why: str
) -> None:
    image = tmp_path / "medium"
    image.write_bytes(laid_out(with_area(b"A", area), more, bytes(2048), bytes(2048)))
    with pytest.raises(DockyardError) as caught:
        iso9660.read(image)
    assert caught.value.problems[0].why == why


def test_a_medium_that_is_cut_short_is_told_by_the_file_that_is_not_whole(tmp_path: Path) -> None:
    image = tmp_path / "medium"
    image.write_bytes(laid_out(record(b"ROOT.IMG", 18, 1 << 20)))
    with pytest.raises(DockyardError) as caught:
        iso9660.regions(image)
    assert caught.value.problems[0].why == "it ends before the data of /root.img"


def test_it_is_no_file_system_for_a_partition() -> None:
    assert iso9660.refuse(Archive([]))[0].code == "filesystems.not-written"
