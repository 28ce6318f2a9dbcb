"""ext4 with a journal that is still to be replayed is read as e2fsck leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ext4_image import debugfs, made
from kernel import by_the_kernel, kernel_changes

from dockyard.archive import Archive
from dockyard.errors import DockyardError
from dockyard.filesystems import ext4
from dockyard.filesystems.ext4.journal import volume_of
from dockyard.filesystems.ext4.mapping import extents
from dockyard.filesystems.ext4.volume import Volume
from dockyard.host.sandbox import Tools
from nasty_archive import same, same_data

pytestmark = pytest.mark.build

MAGIC = bytes.fromhex("c03b3998")
# For mke2fs: options, and the size of an image that has room for a journal.
LAYOUTS = {
    "as made": (["-b", "4096"], "32m"),
    "32 bits": (["-b", "4096", "-O", "^metadata_csum,^64bit"], "32m"),
    "ext3": (["-t", "ext3", "-b", "4096"], "32m"),
    "small blocks": (["-b", "1024"], "16m"),
    "large blocks": (["-b", "16384"], "96m"),
}
# What debugfs writes here with checksums has a wrong one for the transaction that only revokes.
WITH_OLD_CHECKSUMS = ("32 bits", "ext3")


def checked(tools: Tools, image: Path) -> Archive:
    """What is read of a copy that e2fsck replayed the journal of."""
    copy = image.with_name("checked")
    shutil.copy(image, copy)
    done = tools.run(["e2fsck", "-fy", str(copy)], write=[copy], check=False)
    assert done.status in (0, 1), done.text
    assert not _is_replayed(copy)
    return ext4.read(copy)


def _with_file(tools: Tools, image: Path, layout: str) -> list[int]:
    """An image with a file of no less than three blocks; the numbers of those."""
    made(tools, image, *LAYOUTS[layout])
    debugfs(tools, image, "write content f", content=b"before" * 10_000)
    shown = debugfs(tools, image, "blocks f").split("blocks f\n")[-1]
    return [int(word) for word in shown.split()[:3]]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("checksums", ["", " -c -v 2", " -c -v 3"])
def test_what_debugfs_wrote_into_a_journal(
    tools: Tools, tmp_path: Path, layout: str, checksums: str
) -> None:
    image = tmp_path / "image"
    first, second, third = _with_file(tools, image, layout)
    size = volume_of(image).block_size
    debugfs(
        tools,
        image,
        f"jo{checksums}",
        f"jw -b {first},{second} one",
        f"jw -b {second},{third} two",
        f"jw -r {first}",
        f"jw -b {third} three",
        "jc",
        one=b"1" * size + MAGIC + b"1" * (size - 4),
        two=b"2" * size + MAGIC + b"2" * (size - 4),
        three=MAGIC + b"3" * (size - 4),
    )
    found = ext4.read(image)
    expected = (b"before" * 10_000)[:size] + b"2" * size + MAGIC + b"3" * (size - 4)
    if not (checksums and layout in WITH_OLD_CHECKSUMS):
        assert found.read(b"f")[: 3 * size] == expected[:60_000]
    after = checked(tools, image)
    same(found, after)
    same_data(found, after)


def _is_replayed(image: Path) -> bool:
    """Whether the journal has anything for an image."""
    return volume_of(image).data[:] != Volume(image).data[:]


def _changed(image: Path, at: int, to: bytes) -> None:
    with image.open("rb+") as opened:
        opened.seek(at)
        opened.write(to)


def _log(image: Path) -> list[int]:
    """Where the blocks of the log are in the image, in bytes."""
    volume = volume_of(image)
    journal = volume.inode(volume.facts.journal_inode)
    return [
        (extent.physical + index) * volume.block_size
        for extent in extents(volume, journal)
        for index in range(extent.blocks)
    ]


def _two_transactions(tools: Tools, image: Path, options: str = "") -> tuple[list[int], int]:
    """An image whose log has a descriptor, two blocks and a commit, twice; the log's places."""
    first, second, third = _with_file(tools, image, "as made")
    data = {"one": b"1" * 8192, "two": b"2" * 8192}
    commands = [f"jo{options}", f"jw -b {first},{second} one", f"jw -b {second},{third} two", "jc"]
    debugfs(tools, image, *commands, **data)
    return _log(image), volume_of(image).block_size


@pytest.mark.parametrize("step", [4, 5, 8])
def test_a_transaction_that_is_not_committed_is_not_replayed(
    tools: Tools, tmp_path: Path, step: int
) -> None:
    image = tmp_path / "image"
    log, size = _two_transactions(tools, image)
    _changed(image, log[step], bytes(4))
    found = ext4.read(image)
    count = 0 if step == 4 else 2
    assert found.read(b"f")[: 2 * size].count(b"1") == count * size
    same(found, checked(tools, image))


def test_a_commit_with_a_wrong_checksum_ends_the_replay(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    log, size = _two_transactions(tools, image, " -c -v 3")
    _changed(image, log[8] + 100, b"x")
    found = ext4.read(image)
    assert (
        found.read(b"f")[: 3 * size]
        == (b"1" * 2 * size + b"before" * size)[: 2 * size]
        + (b"before" * 10_000)[2 * size : 3 * size]
    )
    same(found, checked(tools, image))


@pytest.mark.parametrize(
    ("step", "at", "why"),
    [
        (0, 200, "the checksum of its superblock is wrong"),
        (1, 200, "the checksum of one of its blocks is wrong"),
        (2, 77, "the checksum of what it has for block"),
    ],
)
def test_a_damaged_journal_is_refused(
    tools: Tools, tmp_path: Path, step: int, at: int, why: str
) -> None:
    image = tmp_path / "image"
    log, _ = _two_transactions(tools, image, " -c -v 3")
    _changed(image, log[step] + at, b"x")
    with pytest.raises(DockyardError) as caught:
        ext4.read(image)
    assert why in caught.value.problems[0].why
    assert "e2fsck" in caught.value.problems[0].fix


def test_a_log_that_goes_round_ends(tools: Tools, tmp_path: Path) -> None:
    """Descriptors that fill the whole ring and are never committed."""
    image = tmp_path / "image"
    log, _ = _two_transactions(tools, image)
    for at in log[1:]:
        _changed(image, at, MAGIC + (1).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes(1000))
    assert ext4.read(image).read(b"f") == b"before" * 10_000


def test_an_external_journal_is_refused_by_name(tools: Tools, tmp_path: Path) -> None:
    device, image = tmp_path / "device", tmp_path / "image"
    made(tools, device, ["-O", "journal_dev", "-b", "4096"], "8m")
    with pytest.raises(DockyardError) as caught:
        ext4.read(device)
    assert "journal of another file system (feature journal_dev)" in caught.value.problems[0].why
    made(tools, image, ["-O", "^metadata_csum", "-b", "4096"], "32m")
    debugfs(tools, image, "feature needs_recovery", "set_super_value journal_inum 0")
    with pytest.raises(DockyardError) as caught:
        ext4.read(image)
    assert "external journal" in caught.value.problems[0].why


KERNEL_MADE = {
    "ordered": ([], "data=ordered,nodelalloc"),
    "data": ([], "data=journal"),
    "data, small blocks": (["-b", "1024"], "data=journal"),
    "no checksums": (["-O", "^metadata_csum,^64bit"], "data=journal"),
    "checksums of the journal": (["-O", "^metadata_csum"], "data=journal,journal_checksum"),
    "asynchronous": (["-O", "^metadata_csum"], "data=writeback,journal_async_commit"),
    "ext3": (["-t", "ext3"], "data=journal"),
    "inline": (["-O", "inline_data", "-I", "512"], "data=ordered,nodelalloc"),
    "clusters": (["-O", "bigalloc", "-b", "1024", "-C", "4096"], "data=ordered,nodelalloc"),
    "orphans": (["-O", "orphan_file,metadata_csum_seed"], "data=ordered,nodelalloc"),
}


@by_the_kernel
@pytest.mark.parametrize("name", KERNEL_MADE)
def test_what_the_kernel_left_in_a_journal(tools: Tools, tmp_path: Path, name: str) -> None:
    image, copy = tmp_path / "image", tmp_path / "copy"
    options, mounted = KERNEL_MADE[name]
    made(tools, image, [*options, "-J", "size=4"], "48m")
    kernel_changes(image, copy, mounted, seed=1)
    found = ext4.read(copy)
    assert _is_replayed(copy)
    assert len(found) > 100
    after = checked(tools, copy)
    same(found, after)
    same_data(found, after)
    if "writeback" not in mounted:
        same(found, ext4.read(image))


@by_the_kernel
def test_fast_commits_are_refused_by_name(tools: Tools, tmp_path: Path) -> None:
    image, copy = tmp_path / "image", tmp_path / "copy"
    made(tools, image, ["-O", "fast_commit", "-b", "4096"], "96m")
    kernel_changes(image, copy, "data=ordered", seed=3, last="last")
    with pytest.raises(DockyardError) as caught:
        ext4.read(copy)
    assert "feature fast_commit" in caught.value.problems[0].why
