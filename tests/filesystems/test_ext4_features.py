"""ext4 with every feature that images of others have is read, or refused by the feature's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from ext4_image import debugfs, made
from kernel import by_the_kernel, kernel_changes, kernel_shows
from written_image import SPEC

from dockyard.archive import Archive, Entry, Kind, unpack
from dockyard.errors import DockyardError
from dockyard.filesystems import ext4
from dockyard.host.sandbox import Tools
from nasty_archive import SECOND, T, directory, file, same, same_data

pytestmark = pytest.mark.build

# For mke2fs: options, and the size of the image.
LAYOUTS = {
    "ext2": (["-t", "ext2"], "16m"),
    "few features": (["-t", "ext2", "-I", "128", "-b", "1024", "-O", "none,ext_attr"], "16m"),
    "ext2, small inodes": (["-t", "ext2", "-I", "128", "-b", "4096"], "16m"),
    "ext3": (["-t", "ext3", "-b", "1024", "-I", "128"], "16m"),
    "blocks of 1 KiB": (["-b", "1024"], "16m"),
    "blocks of 2 KiB": (["-b", "2048", "-I", "1024"], "16m"),
    "blocks of 16 KiB": (["-b", "16384", "-O", "^has_journal"], "32m"),
    "blocks of 64 KiB": (["-b", "65536", "-O", "^has_journal"], "64m"),
    "large inodes": (["-b", "4096", "-I", "512"], "16m"),
    "meta groups": (["-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"], "96m"),
    "meta groups, narrow": (
        ["-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode,^64bit,^metadata_csum"], "96m",
    ),
    "two backups": (
        ["-b", "1024", "-g", "1024", "-O", "meta_bg,sparse_super2,^resize_inode"], "96m",
    ),
    "all backups": (
        ["-b", "1024", "-g", "1024", "-O", "meta_bg,^sparse_super,^resize_inode"], "48m",
    ),
    "old checksums": (["-O", "uninit_bg,^metadata_csum"], "16m"),
    "old checksums, narrow": (["-O", "uninit_bg,^metadata_csum,^64bit"], "16m"),
    "no checksums": (["-O", "^metadata_csum,^uninit_bg,^flex_bg,64bit"], "16m"),
    "own seed": (["-O", "metadata_csum_seed,orphan_file"], "32m"),
    "clusters": (["-b", "4096", "-O", "bigalloc", "-C", "65536"], "64m"),
    "clusters, blocks of 1 KiB": (["-b", "1024", "-O", "bigalloc", "-C", "8192"], "64m"),
    "clusters, meta groups": (
        ["-b", "1024", "-O", "bigalloc,meta_bg,^resize_inode", "-C", "4096"], "64m",
    ),
    "inline data": (["-b", "4096", "-O", "inline_data"], "16m"),
    "inline data, large inodes": (["-b", "1024", "-I", "1024", "-O", "inline_data"], "16m"),
    "attributes in inodes": (["-b", "4096", "-O", "ea_inode"], "32m"),
    "no file types": (["-O", "^filetype"], "16m"),
    "much that shows nowhere": (
        ["-O", "quota,project,mmp,verity,encrypt,casefold,large_dir,ea_inode,stable_inodes"], "32m",
    ),
}  # fmt: skip


def _tree(name: str) -> Archive:
    data = {
        b"small": b"abc",
        b"middle": b"m" * 100,
        b"large": b"large" * 300_000,
        b"holes": bytes(4096) * 20 + b"x" * 100_000 + bytes(70_000) + b"y",
        # mke2fs takes less of this one where it begins as inline data.
        **({} if "inline" in name else {b"end": b"x" * 10 + bytes(300_000)}),
        **{b"many/" + b"%d" % at + b"n" * 90: b"%d" % at for at in range(700)},
    }
    entries = [
        # mke2fs gives the root of a tree that it reads from a directory its own time.
        directory(b"", mtime_ns=SPEC.epoch * SECOND),
        *(file(path) for path in data),
        file(b"attributes", 0o4755, uid=1000, gid=65534, xattrs=((b"user.x", b"x" * 500),)),
        Entry(b"linked", Kind.HARDLINK, target=b"large"),
        *(
            Entry(b"link%d" % size, Kind.SYMLINK, 0o777, mtime_ns=T, target=b"t" * size)
            for size in (1, 59, 60, 150, 1000)
        ),
        directory(b"empty"),
        directory(b"few", 0o1777),
        file(b"few/" + b"n" * 255),
        Entry(b"pipe", Kind.FIFO, mtime_ns=T),
    ]
    return Archive.from_entries(entries, data)


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_mke2fs_makes_is_read(tools: Tools, tmp_path: Path, name: str) -> None:
    archive, tree, image = _tree(name), tmp_path / "tree", tmp_path / "image"
    tree.mkdir()
    unpack(archive, tree)
    made(tools, image, *LAYOUTS[name], tree=tree)
    found = ext4.read(image)
    same(found, archive)
    same_data(found, archive)


@by_the_kernel
@pytest.mark.parametrize("name", LAYOUTS)
def test_what_the_kernel_makes_is_read(tools: Tools, tmp_path: Path, name: str) -> None:
    image = tmp_path / "image"
    made(tools, image, *LAYOUTS[name])
    kernel_changes(image, tmp_path / "copy", "rw", seed=5)
    found = ext4.read(image)
    same(found, kernel_shows("ext4", image))
    if name == "attributes in inodes":
        assert any(len(value) == 60_000 for entry in found for _, value in entry.xattrs)


def test_attributes_in_inodes_of_their_own_are_read(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    values = {f"v{size}": bytes([size % 251]) * size for size in (3, 600, 800, 1024)}
    made(tools, image, ["-b", "1024", "-O", "ea_inode"], "16m")
    debugfs(
        tools,
        image,
        "write v3 f",
        "write v3 g",
        *(f"ea_set -f {name} f user.{name}" for name in values),
        "ea_set -f v1024 g user.same",
        **values,
    )
    found = ext4.read(image)
    expected = sorted((f"user.{name}".encode(), value) for name, value in values.items())
    assert (entry := found.find(b"f"))
    assert list(entry.xattrs) == expected
    assert (entry := found.find(b"g"))
    assert entry.xattrs == ((b"user.same", values["v1024"]),)


def test_what_is_reserved_and_not_written_is_a_hole(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-b", "4096"], "16m")
    debugfs(
        tools, image,
        "write data f", "fallocate f 3 9", "sif f size 40000",
        "write data verity", "fallocate verity 1 9", "sif verity flags 0x180000",
        data=b"x" * 4096,
    )  # fmt: skip
    found = ext4.read(image)
    assert found.read(b"f") == b"x" * 4096 + bytes(40_000 - 4096)
    assert found.read(b"verity") == b"x" * 4096


def test_flags_that_change_nothing_for_a_reader(tools: Tools, tmp_path: Path) -> None:
    """A directory that ignores case (casefold), and a file whose blocks are counted in blocks
    (huge_file).
    """
    image = tmp_path / "image"
    made(tools, image, ["-b", "4096", "-O", "casefold"], "16m")
    debugfs(
        tools, image,
        "mkdir d", "cd d", "write data Name", "sif /d flags 0x40080000",
        "sif Name flags 0xc0000", "sif Name blocks 1",
        data=b"x" * 4096,
    )  # fmt: skip
    found = ext4.read(image)
    assert [entry.path for entry in found] == [b"", b"d", b"d/Name"]
    assert found.read(b"d/Name") == b"x" * 4096


@pytest.mark.parametrize("size", [128, 256])
def test_times_beyond_32_bits(tools: Tools, tmp_path: Path, size: int) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-t", "ext2", "-b", "4096", "-I", str(size)], "16m")
    debugfs(tools, image, "write data f", "sif f mtime 0x80000000", data=b"x")
    if size > 128:
        debugfs(tools, image, "sif f mtime_extra 0x00000025")
    found = ext4.read(image).find(b"f")
    assert found
    late = (1 << 31) * SECOND + 9
    assert found.mtime_ns == (late if size > 128 else -(1 << 31) * SECOND)


def test_a_directory_of_several_hash_levels(tools: Tools, tmp_path: Path) -> None:
    tree, image = tmp_path / "tree", tmp_path / "image"
    tree.mkdir()
    names = [b"d/%05d" % at + b"n" * 240 for at in range(1000)]
    archive = Archive.from_entries(
        [directory(b"", mtime_ns=SPEC.epoch * SECOND), directory(b"d"), *(file(n) for n in names)]
    )
    unpack(archive, tree)
    made(tools, image, ["-b", "1024", "-O", "large_dir", "-N", "2000"], "32m", tree=tree)
    tools.run(["e2fsck", "-fyD", str(image)], write=[image], check=False)
    assert "Indirect levels: 1" in debugfs(tools, image, "htree d")
    found = ext4.read(image)
    same(found, archive)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("feature compression", "compressed files (feature compression)"),
        ("feature dirdata", "Lustre (feature dirdata)"),
        ("ssv feature_incompat 0x40000002", "not known: incompatible 0x40000000"),
        ("sif d flags 0x80800", "encrypted directories (feature encrypt), inode 14"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    tools: Tools, tmp_path: Path, command: str, why: str
) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-O", "^metadata_csum"], "8m")
    debugfs(tools, image, "write data f", "mkdir d", command, data=b"x")
    with pytest.raises(DockyardError) as caught:
        ext4.read(image)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.unreadable-image"
    assert why in problem.why
    assert "copy" in problem.fix


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        (["ssv inodes_per_group 17"], "superblock is damaged"),
        (["ssv blocks_count 8193"], "cut short"),
        (["sif f block[0] 0xffffffff"], "past its end"),
        (["sif f links_count 0"], "not what its name says"),
        (["sif d mode 0100644"], "is not a directory"),
        (["sif f mode 040755"], "not what its name says"),
        (["link d again"], "two names"),
        (["link <8> journal"], "has a name of inode 8"),
        (["sif link size 0"], "symbolic link"),
        (["sif f size 0x700000000000"], "impossibly large"),
    ],
)
def test_what_cannot_be_is_refused(
    tools: Tools, tmp_path: Path, commands: list[str], why: str
) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-t", "ext2", "-b", "1024"], "8m")
    before = ["mkdir d", "write data f", "symlink link target"]
    debugfs(tools, image, *before, *commands, data=b"x" * 9000)
    with pytest.raises(DockyardError) as caught:
        ext4.read(image)
    assert why in caught.value.problems[0].why
