"""ext4: what is written is read back, twice the same bytes, and what cannot be held is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive, Entry, Kind, unpack
from dockyard.filesystems import ext4
from dockyard.filesystems.acl import from_disk
from dockyard.host.sandbox import Tools
from nasty_archive import SECOND, T, directory, file, nasty, same, same_data

build = pytest.mark.build


@build
def test_everything_comes_back(tools: Tools, tmp_path: Path) -> None:
    archive, image = nasty(), tmp_path / "image"
    assert ext4.refuse(archive) == []
    ext4.write(archive, image, 96 << 20, SPEC, tools)
    assert image.stat().st_size == 96 << 20
    found = ext4.read(image)
    same(found, archive)
    same_data(found, archive)
    tools.run(["e2fsck", "-fn", str(image)], read=[image])
    shown = tools.run(["dumpe2fs", "-h", str(image)], read=[image]).text
    assert str(SPEC.uuid) in shown
    assert "root" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image"]


@build
def test_with_labels_what_mke2fs_adds_has_one(tools: Tools, tmp_path: Path) -> None:
    label = (b"security.selinux", b"system_u:object_r:root_t:s0\0")
    archive, image = Archive([directory(b"", xattrs=(label,))]), tmp_path / "image"
    ext4.write(archive, image, 8 << 20, SPEC, tools)
    same(ext4.read(image), archive)
    shown = tools.run(
        ["debugfs", "-R", "ea_get -V /lost+found security.selinux", str(image)], read=[image]
    ).text
    assert "system_u:object_r:lost_found_t:s0" in shown
    tools.run(["e2fsck", "-fn", str(image)], read=[image])


@build
@pytest.mark.parametrize("files", [1, 3000])
def test_the_minimum_size_is_enough(tools: Tools, tmp_path: Path, files: int) -> None:
    data = {b"d%d/f%05d" % (at % 7, at): bytes([at % 251 + 1]) * (at % 9000) for at in range(files)}
    archive = Archive.from_entries(
        [file(path, xattrs=((b"user.x", b"x" * 200),)) for path in data], data
    )
    image = tmp_path / "image"
    ext4.write(archive, image, ext4.minimum_size(archive), SPEC, tools)
    same(ext4.read(image), archive)


@build
@pytest.mark.parametrize(
    ("mebibytes", "options"),
    [
        *((size, {}) for size in (8, 100, 129, 1025, 2049)),
        (300, {"inodes": "1000"}),
        (300, {"inodes": "100000", "inode_size": "512"}),
    ],
)
def test_files_get_no_more_than_is_said_and_little_less(
    tools: Tools, tmp_path: Path, mebibytes: int, options: dict[str, str]
) -> None:
    image, size = tmp_path / "image", mebibytes << 20
    spec = replace(SPEC, options=options)
    ext4.write(Archive([directory(b"")]), image, size, spec, tools)
    shown = tools.run(["dumpe2fs", "-h", str(image)], read=[image]).text
    lines = dict(line.partition(":")[::2] for line in shown.splitlines())
    free = int(lines["Free blocks"]) * int(lines["Block size"])
    assert free <= ext4.most_for_files(size, options) <= free * 1.01 + (1 << 20)


@build
def test_hashed_directories_and_many_extents_are_read(tools: Tools, tmp_path: Path) -> None:
    holes = b"".join(b"x" * 4096 + bytes(4096) for _ in range(700))
    names = [b"d/%05d-%b" % (at, b"n" * 80) for at in range(3000)]
    archive = Archive.from_entries(
        [directory(b"d"), file(b"holes"), *(file(name) for name in names)], {b"holes": holes}
    )
    image = tmp_path / "image"
    ext4.write(archive, image, 64 << 20, SPEC, tools)
    same(ext4.read(image), archive)


@build
@pytest.mark.parametrize("kind", ["ext2", "ext3", "inline"])
def test_older_and_inline_layouts_are_read(tools: Tools, tmp_path: Path, kind: str) -> None:
    holes = bytes(4096) * 20 + b"x" * (6 << 20)
    archive = Archive.from_entries(
        [
            # mke2fs gives the root of a tree that it reads from a directory its own time.
            directory(b"", mtime_ns=SPEC.epoch * SECOND),
            file(b"small"),
            file(b"middle"),
            file(b"holes"),
            Entry(b"link", Kind.SYMLINK, 0o777, mtime_ns=T, target=b"x" * 70),
            directory(b"directory"),
            file(b"directory/" + b"n" * 100),
        ],
        {b"small": b"abc", b"middle": b"m" * 100, b"holes": holes},
    )
    tree, image = tmp_path / "tree", tmp_path / "image"
    tree.mkdir()
    unpack(archive, tree)
    image.touch()
    options = ["-t", "ext4", "-O", "inline_data"] if kind == "inline" else ["-t", kind]
    argv = ["mke2fs", "-q", "-F", *options, "-I", "256", "-d", str(tree), str(image), "64m"]
    tools.run(argv, read=[tree], write=[image], env={"SOURCE_DATE_EPOCH": str(SPEC.epoch)})
    same(ext4.read(image), archive)


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [
            file(b"big", xattrs=((b"user.a", b"x" * 4000), (b"user.b", b"x" * 100))),
            file(b"named", xattrs=((b"btrfs.compression", b"x"),)),
            file(b"old", mtime_ns=-(1 << 40) * SECOND),
            Entry(b"link", Kind.SYMLINK, target=b"x" * 4096),
            file(b"fine", uid=4294967294, mtime_ns=2_208_988_800 * SECOND),
        ]
    )
    found = {problem.code: problem.where for problem in ext4.refuse(archive)}
    assert found == {
        "filesystems.xattr-size": "/big",
        "filesystems.xattr-name": "/named",
        "filesystems.time": "/old",
        "filesystems.long-target": "/link",
    }


def test_a_refusal_names_the_attribute_the_reason_and_the_path_in_the_image() -> None:
    attributes = ((b"user.fine", b"x"), (b"user.new\nline", b"x"))
    archive = Archive.from_entries([directory(b"s"), file(b"s/x", xattrs=attributes)])
    (problem,) = ext4.refuse(archive, b"srv/data")
    assert problem.code == "filesystems.xattr-line" and problem.where == "/srv/data/s/x"
    assert problem.excerpt == ("/srv/data/s/x: user.new\\x0aline",)
    assert "debugfs" in problem.why and "ext4" not in problem.why


@pytest.mark.build
def test_names_of_attributes_may_have_all_but_line_breaks(tools: Tools, tmp_path: Path) -> None:
    names = [b"a b", b'"q"', b"\t", b"gr\xc3\xbc\xff", b"#|!'\\", b"\x01\x7f", b"n" * 250]
    attributes = tuple(sorted((b"user." + name, b"value") for name in names))
    archive = Archive.from_entries([directory(b""), file(b"x", xattrs=attributes)], {b"x": b""})
    assert ext4.refuse(archive) == []
    ext4.write(archive, tmp_path / "image", 64 << 20, SPEC, tools)
    same(ext4.read(tmp_path / "image"), archive)


def test_many_paths_are_cut_short() -> None:
    archive = Archive.from_entries([file(b"%02d" % at, mtime_ns=-(1 << 70)) for at in range(30)])
    (problem,) = ext4.refuse(archive)
    assert problem.excerpt[-1] == "and 21 more"


def test_a_damaged_acl_is_an_error() -> None:
    assert from_disk(bytes.fromhex("01000000 01000700 02000500 e8030000")).hex() == (
        "0200000001000700ffffffff02000500e8030000"
    )
    with pytest.raises(ValueError, match="cut short"):
        from_disk(bytes.fromhex("01000000 02000500"))
