"""A file system in the place of another is made as that was: tools of others are the measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name
from dockyard.filesystems.making import made_as, not_kept
from dockyard.filesystems.proof import prove
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, file, nasty

pytestmark = pytest.mark.build
ARCHIVE = Archive.from_entries([file(b"a")], {b"a": b"text " * 40_000})
ASKED = {"errors": "remount-ro", "inode_size": "1024"}


def made_by(tools: Tools, image: Path, size: int, *argv: str | Path) -> None:
    with image.open("wb") as opened:
        opened.truncate(size << 20)
    tools.run([*map(str, argv), str(image)], write=[image])


def again(kind: str, image: Path, size: int, tools: Tools) -> Path:
    """The same file system with a file, written as another was made."""
    new = image.with_name("new")
    spec = replace(SPEC, options=made_as(kind, image))
    by_name(kind).write(ARCHIVE, new, size << 20, spec, tools)
    return new


def test_ext4_keeps_inodes_and_reserves(tools: Tools, tmp_path: Path) -> None:
    old = tmp_path / "old"
    options = ("-b", "4096", "-m", "1", "-e", "remount-ro", "-I", "1024", "-N", "16000")
    made_by(tools, old, 64, "mke2fs", "-q", "-F", "-t", "ext4", *options)
    found = made_as("ext4", old)
    # Groups have whole blocks of inodes.
    assert ASKED.items() <= found.items() and 16000 <= int(found["inodes"]) < 16200
    assert float(found["reserved_percent"]) == pytest.approx(1, abs=0.01)
    assert made_as("ext4", again("ext4", old, 64, tools)) == found
    made_by(tools, old, 64, "mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", "-I", "128")
    found = made_as("ext4", old)
    assert "inode_size" not in found and "errors" not in found
    assert float(found["reserved_percent"]) == pytest.approx(5, abs=0.01)


def test_fat_keeps_clusters(tools: Tools, tmp_path: Path) -> None:
    old = tmp_path / "old"
    made_by(tools, old, 600, "mkfs.vfat", "-F", "32", "-s", "2", "-S", "1024")
    wanted = {"fat_bits": "32", "cluster_sectors": "2", "sector_size": "1024"}
    assert made_as("vfat", old) == wanted
    assert made_as("vfat", again("vfat", old, 600, tools)) == wanted


def test_xfs_keeps_sizes(testing_tools: Tools, tmp_path: Path) -> None:
    old = tmp_path / "old"
    made_by(testing_tools, old, 300, "mkfs.xfs", "-q", "-i", "size=1024", "-n", "size=8192")
    wanted = {"inode_size": "1024", "directory_block": "8192"}
    assert made_as("xfs", old) == wanted
    assert made_as("xfs", again("xfs", old, 300, testing_tools)) == wanted


@pytest.mark.parametrize("compression", ["zlib", "lzo", "zstd:7"])
def test_btrfs_keeps_compression(testing_tools: Tools, tmp_path: Path, compression: str) -> None:
    old, tree = tmp_path / "old", tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("text " * 400_000)
    options = ("--compress", compression, "--rootdir", tree)
    with old.open("wb") as opened:
        opened.truncate(150 << 20)
    argv = ["mkfs.btrfs", "-q", "-O", "quota", *map(str, options), str(old)]
    testing_tools.run(argv, write=[old], read=[tree])
    found = made_as("btrfs", old)
    assert found["quotas"] == "on"
    assert found["compression"].partition(":")[0] == compression.partition(":")[0]
    assert made_as("btrfs", again("btrfs", old, 150, testing_tools)) == found
    made_by(testing_tools, old, 150, "mkfs.btrfs", "-q", "-f")
    assert made_as("btrfs", old) == {}


@pytest.mark.parametrize("compression", ["lz4", "lz4hc,9", "zstd,level=3", "deflate,level=3"])
def test_erofs_keeps_compression(tools: Tools, tmp_path: Path, compression: str) -> None:
    old, tree = tmp_path / "old", tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("text " * 40_000)
    old.touch()  # it must be empty
    tools.run(["mkfs.erofs", f"-z{compression}", str(old), str(tree)], read=[tree], write=[old])
    found = made_as("erofs", old)
    name = compression.partition(",")[0].replace("hc", "")
    assert found["compression"].partition(",")[0].replace("hc", "") == name
    assert made_as("erofs", again("erofs", old, 1, tools)) == found
    old.unlink()
    old.touch()
    tools.run(["mkfs.erofs", str(old), str(tree)], read=[tree], write=[old])
    assert made_as("erofs", old) == {"compression": "none"}


def test_what_is_made_otherwise_is_told(tools: Tools, testing_tools: Tools, tmp_path: Path) -> None:
    old = tmp_path / "old"
    features = ("-b", "8192", "-O", "quota,casefold")
    made_by(tools, old, 64, "mke2fs", "-q", "-F", "-t", "ext4", *features)
    words = ("blocks of 4096 bytes in place of 8192", "no casefold, quota")
    assert not_kept("ext4", old) == words
    assert not_kept("ext4", again("ext4", old, 64, tools)) == ()
    sizes = ("-b", "size=8192", "-s", "size=8192")
    made_by(testing_tools, old, 300, "mkfs.xfs", "-q", "-f", *sizes)
    words = ("blocks of 4096 bytes in place of 8192", "sectors of 512 bytes in place of 8192")
    assert not_kept("xfs", old) == words
    made_by(testing_tools, old, 300, "mkfs.xfs", "-q", "-f", "-b", "size=1024")
    assert not_kept("xfs", old) == ("blocks of 4096 bytes in place of 1024",)
    assert not_kept("xfs", again("xfs", old, 300, testing_tools)) == ()
    made_by(testing_tools, old, 150, "mkfs.btrfs", "-q", "-f", "-n", "8192", "--csum", "sha256")
    words = ("nodes of 16384 bytes in place of 8192", "checksums by CRC-32C in place of SHA-256")
    assert not_kept("btrfs", old) == words
    assert not_kept("btrfs", again("btrfs", old, 150, testing_tools)) == ()
    assert not_kept("vfat", old) == ()


SIZES = {
    "ext4, 1024": ("ext4", 64, ("mke2fs", "-q", "-F", "-b", "1024"), {"block_size": "1024"}),
    "ext4, 2048": ("ext4", 64, ("mke2fs", "-q", "-F", "-b", "2048"), {"block_size": "2048"}),
    "xfs, 2048": (
        "xfs", 320, ("mkfs.xfs", "-q", "-f", "-b", "size=2048", "-s", "size=2048"),
        {"block_size": "2048", "sector_size": "2048"},
    ),
    "xfs, sectors": (
        "xfs", 320, ("mkfs.xfs", "-q", "-f", "-s", "size=4096"), {"sector_size": "4096"}
    ),
    "btrfs, nodes": (
        "btrfs", 160, ("mkfs.btrfs", "-q", "-f", "-n", "32768"), {"node_size": "32768"}
    ),
}  # fmt: skip
CHECKS = {
    "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n"],
    "btrfs": ["btrfs", "check", "--check-data-csum"],
}


@pytest.mark.parametrize("name", SIZES)
def test_blocks_and_nodes_keep_their_sizes(
    name: str, tools: Tools, testing_tools: Tools, tmp_path: Path
) -> None:
    """The programs of the file system find no fault, and our reader all that was put into it."""
    kind, size, argv, wanted = SIZES[name]
    own = tools if kind == "ext4" else testing_tools
    old, new = tmp_path / "old", tmp_path / "new"
    made_by(own, old, size, *argv)
    found = made_as(kind, old)
    assert wanted.items() <= found.items() and not_kept(kind, old) == ()
    archive = fitting(kind)
    by_name(kind).write(archive, new, size << 20, replace(SPEC, options=found), own)
    assert wanted.items() <= made_as(kind, new).items()
    own.run([*CHECKS[kind], str(new)], read=[new])
    (tmp_path / "scratch").mkdir()
    prove(kind, archive, new, own, tmp_path / "scratch")


def fitting(kind: str) -> Archive:
    """The archive with all that is hard to keep, but for what the smallest block does not hold."""
    everything = nasty()
    refused = {"x/void", "x/theirs", "x/big"} if kind != "btrfs" else {"x/theirs"}
    entries = [each for each in everything if each.path.decode(errors="replace") not in refused]
    data = {path: content for path, content in DATA.items() if path in {e.path for e in entries}}
    return Archive.from_entries(entries, data)


def test_attributes_that_a_small_block_does_not_hold_are_refused(
    tools: Tools, tmp_path: Path
) -> None:
    spec = replace(SPEC, options={"block_size": "1024"})
    with pytest.raises(DockyardError) as caught:
        by_name("ext4").write(nasty(), tmp_path / "new", 64 << 20, spec, tools)
    (problem,) = caught.value.problems
    assert problem.code == "filesystems.xattr-size" and "x/big" in str(problem.where)
