"""SquashFS: what is written is read back, twice the same bytes, and so is what others make."""

from __future__ import annotations

import lzma
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC, digest

from dockyard.archive import Archive, Entry, streamed
from dockyard.archive.entry import NANOSECONDS
from dockyard.errors import DockyardError
from dockyard.filesystems import squashfs
from dockyard.filesystems.squashfs.packing import UNPACK
from dockyard.filesystems.squashfs.volume import Volume
from dockyard.host.sandbox import Tools
from nasty_archive import LABEL, SECOND, file, nasty, same, same_data

build = pytest.mark.build
BARE = replace(SPEC, label="")


def _holdable(archive: Archive) -> Archive:
    """What squashfs can hold of an archive, as it holds it."""

    def held(entry: Entry) -> Entry:
        xattrs = tuple(each for each in entry.xattrs if not each[0].startswith(b"system."))
        seconds = max(0, entry.mtime_ns // NANOSECONDS)
        return replace(entry, mtime_ns=seconds * NANOSECONDS, xattrs=xattrs)

    return archive.changed(held)


@build
@pytest.mark.parametrize("compression", ["zstd", "gzip", "xz", "lzo", "lz4"])
def test_everything_comes_back(tools: Tools, tmp_path: Path, compression: str) -> None:
    archive, images = _holdable(nasty()), [tmp_path / "one", tmp_path / "two"]
    assert squashfs.refuse(archive) == []
    spec = replace(BARE, options={"compression": compression})
    for image in images:
        squashfs.write(archive, image, 0, spec, tools)
    assert digest(images[0]) == digest(images[1])
    assert images[0].stat().st_size <= squashfs.minimum_size(archive)
    found = squashfs.read(images[0], tools, tmp_path)
    same(found, archive)
    same_data(found, archive)


@build
def test_the_root_directory_keeps_its_attributes(tools: Tools, tmp_path: Path) -> None:
    root = Entry(b"", mode=0o2751, uid=7, gid=9, mtime_ns=5 * SECOND, kind=nasty().entries[0].kind,
                 xattrs=((b"security.selinux", LABEL), (b"user.b", b"\0\xff")))  # fmt: skip
    archive = Archive.from_entries([root, file(b"f")], {b"f": b"x"})
    squashfs.write(archive, tmp_path / "image", 1 << 20, BARE, tools)
    assert (tmp_path / "image").stat().st_size == 1 << 20
    same(squashfs.read(tmp_path / "image", tools, tmp_path), archive)


@build
@pytest.mark.parametrize(
    "options",
    [
        ["-no-fragments", "-b", "4096"],
        ["-b", "1M"],
        ["-noI", "-noD", "-noF", "-noX"],
        ["-no-xattrs", "-comp", "xz", "-Xbcj", "x86"],
    ],
)
def test_what_others_make_is_read(tools: Tools, tmp_path: Path, options: list[str]) -> None:
    data = {b"d/f%d" % at: b"words %d\n" % at * (at * 4000) for at in range(12)}
    data |= {b"many/%04d" % at + b"n" * 90: b"x" * at for at in range(1200)}
    archive = Archive.from_entries([file(path) for path in data], data)
    with streamed(archive) as stream:
        argv = ["sqfstar", "-quiet", "-no-progress", *options, str(tmp_path / "image")]
        tools.run(argv, write=[tmp_path], stdin=stream)
    found = squashfs.read(tmp_path / "image", tools, tmp_path)
    same_data(found, archive)
    assert [entry.digest for entry in found] == [entry.digest for entry in archive]


@build
def test_damage_is_the_error_of_the_image_and_nothing_else(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    squashfs.write(_holdable(nasty()), image, 0, BARE, tools)
    whole = image.read_bytes()
    places = [*range(8, 96, 3), *range(len(whole) // 2, len(whole), len(whole) // 100)]
    refused = 0
    for place in places:
        image.write_bytes(whole[:place] + bytes([whole[place] ^ 0xA5]) + whole[place + 1 :])
        try:
            squashfs.read(image, tools, tmp_path)
        except DockyardError as error:
            assert error.problems[0].code == "filesystems.unreadable-image"
            refused += 1
    assert refused > len(places) // 3


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [
            file(b"a", xattrs=((b"system.posix_acl_access", b"x"),)),
            file(b"b", mtime_ns=-SECOND),
            file(b"c", xattrs=((b"btrfs.x", b""),)),
        ]
    )
    found = {(problem.code, problem.where) for problem in squashfs.refuse(archive)}
    assert found == {
        ("filesystems.acl", "/a"),
        ("filesystems.time", "/b"),
        ("filesystems.xattr-name", "/c"),
    }


def test_a_block_of_lz4_is_unpacked_with_lengths_and_copies_of_every_kind() -> None:
    # 20 plain bytes, then 30 that repeat the last two, then the end in plain bytes.
    packed = b"\xff\x05" + bytes(range(20)) + b"\x02\x00\x0b" + b"\x30end"
    assert UNPACK[5](packed, 100) == bytes(range(20)) + bytes((18, 19)) * 15 + b"end"
    with pytest.raises(ValueError, match="damaged"):
        UNPACK[5](b"\x10a\x09\x00", 100)


def test_what_unpacks_to_more_than_a_block_is_cut_off_there() -> None:
    endless = b"\xff\x00" + b"a" * 15 + b"\x01\x00" + b"\xff" * 5000 + b"\0"
    assert len(UNPACK[5](endless, 4096)) < 3 * 4096
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    with pytest.raises(ValueError, match="Memory usage limit"):
        UNPACK[4](lzma.compress(b"a", lzma.FORMAT_XZ, filters=filters), 4096)


def laid_out(inodes: bytes, *, word: int | None = None) -> bytes:
    """An image whose metadata are stored as they are. inodes: the first is the root's. word: what
    stands before them.
    """
    size = 96
    known = struct.pack("<H", 1 << 15 | 4) + bytes(4)  # of one owner
    ids, table = size, size + len(known)
    start = table + 8
    word = 1 << 15 | len(inodes) if word is None else word
    nowhere = (1 << 64) - 1
    fields = (0x73717368, 1, 0, 4096, 0, 1, 12, 0, 1, 4, 0, 0, 0)
    places = (table, nowhere, start, start + 2 + len(inodes), nowhere, nowhere)
    head = struct.pack("<IIIIIHHHHHHQQQQQQQQ", *fields, *places)
    return head + known + struct.pack("<Q", ids) + struct.pack("<H", word) + inodes


def inode(kind: int, rest: bytes) -> bytes:
    return struct.pack("<HHHHII", kind, 0o755, 0, 0, 0, 1) + rest


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (laid_out(inode(3, struct.pack("<II", 1, 1 << 20))), "symbolic link is impossibly long"),
        (laid_out(inode(2, struct.pack("<IIII", 0, 9, 0, 0) + b""), word=1 << 15 | 9000), "larger"),
        (
            laid_out(inode(9, struct.pack("<QQQIIII", 0, 1 << 60, 0, 1, 9, 0, 0xFFFFFFFF))),
            "a file is impossibly large",
        ),
    ],
)
def test_what_an_inode_says_has_limits(tmp_path: Path, made: bytes, why: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(made)
    with pytest.raises(DockyardError) as caught:
        volume = Volume(image)
        volume.inode(volume.root)
    assert why in caught.value.problems[0].why


@build
def test_attributes_that_many_files_have_are_read_once(tools: Tools, tmp_path: Path) -> None:
    entries = [file(b"%d" % at, xattrs=((b"user.a", b"v" * 900),)) for at in range(300)]
    archive = Archive.from_entries(entries)
    squashfs.write(archive, tmp_path / "image", 0, BARE, tools)
    found = squashfs.read(tmp_path / "image", tools, tmp_path)
    assert len({id(entry.xattrs) for entry in found if entry.xattrs}) == 1
