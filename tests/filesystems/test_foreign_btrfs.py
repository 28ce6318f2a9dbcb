"""Btrfs images that others made: subvolumes, compression, checksums, logs not replayed."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from foreign import ask, formatted, needs_kernel, survives

from dockyard.archive import Archive
from dockyard.errors import DockyardError
from dockyard.filesystems import btrfs
from dockyard.filesystems.btrfs.checksums import xxhash64
from dockyard.filesystems.btrfs.lzo import decompressed, segment
from dockyard.filesystems.btrfs.volume import Volume
from dockyard.filesystems.crc32c import crc32c
from dockyard.host.sandbox import Tools
from nasty_archive import same

SIZE = 400  # MiB
build = pytest.mark.build
long = pytest.mark.long


def why(image: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        btrfs.read(image)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.unreadable-image"
    return problem.why


def make(tools: Tools, image: Path, *options: str) -> Path:
    return formatted(tools, image, SIZE, "mkfs.btrfs", "--quiet", *options)


@build
@needs_kernel
@pytest.mark.parametrize(
    ("mount", "options"),
    [
        ("compress-force=zstd:3", "--csum xxhash"),
        ("compress-force=lzo", "--csum sha256 -O ^no-holes,^free-space-tree"),
        ("compress-force=zlib", "--csum blake2 -O block-group-tree"),
        pytest.param("max_inline=0", "--nodesize 65536", marks=long),
        pytest.param("autodefrag", "--mixed --nodesize 4096", marks=long),
        pytest.param("compress=zstd", "-O quota,squota --data dup", marks=long),
    ],
)
def test_every_form_is_read(testing_tools: Tools, tmp_path: Path, mount: str, options: str) -> None:
    image = make(testing_tools, tmp_path / "image", *options.split())
    expected = ask("btrfs", image, "forms", seed=1, options=f"loop,{mount}")
    assert len(expected) > 8000
    same(btrfs.read(image), expected)


@build
@needs_kernel
def test_groups_of_subvolumes_are_told(testing_tools: Tools, tmp_path: Path) -> None:
    image = make(testing_tools, tmp_path / "image", "-O", "quota")
    assert btrfs.not_kept(image) == ()
    ask("btrfs", image, "groups", options="loop,subvolid=5")
    assert btrfs.not_kept(image) == (
        "no quota groups of several subvolumes, and none of their limits",
    )


@build
@needs_kernel
def test_subvolumes(testing_tools: Tools, tmp_path: Path) -> None:
    image = make(testing_tools, tmp_path / "image")
    ask("btrfs", image, "subvolumes", options="loop,subvolid=5")
    found = btrfs.subvolumes(image)
    assert [(one.path, one.parent, one.read_only, one.is_default) for one in found] == [
        (b"", None, False, False),
        (b"root", 5, False, True),
        (b"home", 5, False, False),
        (b"root/var", 256, False, False),
        (b"deep/er/one", 5, False, False),
        (b"root/var/two", 258, False, False),
        (b"before", 5, True, False),
    ]
    assert [one.number for one in found] == [5, *range(256, 262)]
    for chosen, options in (
        (5, "subvolid=5"),
        (None, "ro"),
        ("root", "subvol=root"),
        ("/home", "subvol=home"),
        (258, "subvolid=258"),
        ("deep/er/one", "subvol=deep/er/one"),
        ("before", "subvol=before"),
    ):
        expected = ask("btrfs", image, "nothing", options=f"loop,{options}")
        # Where a snapshot lacks a subvolume, each kernel shows a time of its own.
        same(*(_without_times(each) for each in (btrfs.read(image, subvolume=chosen), expected)))
    root = btrfs.read(image)
    assert root.read(b"etc/os-release") == b"NAME=Example 2\n"
    assert root.read(b"var/log") == b"log\n" * 100_000
    assert btrfs.read(image, subvolume="before").read(b"etc/os-release") == b"NAME=Example\n"
    alone = btrfs.read(image, subvolume="root", nested=False)
    assert [entry.path for entry in alone] == [b"", b"etc", b"etc/os-release", b"var"]
    with pytest.raises(DockyardError) as caught:
        btrfs.read(image, subvolume="none")
    problem = caught.value.problems[0]
    assert (problem.code, problem.what) == (
        "filesystems.no-subvolume",
        "there is no subvolume none",
    )
    assert "/root/var" in problem.fix


def _without_times(archive: Archive) -> Archive:
    return archive.changed(
        lambda entry: replace(entry, mtime_ns=0) if entry.path.endswith(b"var") else entry
    )


@build
@needs_kernel
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=long), pytest.param(3, marks=long)])
def test_what_changed_often_is_read(testing_tools: Tools, tmp_path: Path, seed: int) -> None:
    image = make(testing_tools, tmp_path / "image")
    expected = ask("btrfs", image, "churn", seed=seed, options="loop,compress=zstd")
    same(btrfs.read(image), expected)


@build
@needs_kernel
def test_a_log_that_was_not_replayed_is_refused(testing_tools: Tools, tmp_path: Path) -> None:
    image = make(testing_tools, tmp_path / "image")
    ask("btrfs", image, "flushed", crash=True)
    with pytest.raises(DockyardError) as caught:
        btrfs.read(tmp_path / "image.crashed")
    problem = caught.value.problems[0]
    assert "log tree" in problem.why
    assert "mount and unmount it once" in problem.fix
    assert btrfs.read(tmp_path / "image.recovered").find(b"flushed") is not None


@build
@needs_kernel
@pytest.mark.parametrize(
    ("rounds", "csum"),
    [
        (40, "crc32c"),
        pytest.param(200, "crc32c", marks=long),
        pytest.param(200, "sha256", marks=long),
    ],
)
def test_random_damage(testing_tools: Tools, tmp_path: Path, rounds: int, csum: str) -> None:
    image = make(testing_tools, tmp_path / f"image{rounds}", "--csum", csum, "--metadata", "single")
    ask("btrfs", image, "subvolumes", options="loop,compress=zstd")
    outcomes = survives(lambda at: btrfs.read(at, subvolume=5), image, rounds)
    assert outcomes["read"] and outcomes["refused"]


@build
@needs_kernel
@pytest.mark.parametrize("rounds", [40, pytest.param(300, marks=long)])
def test_random_damage_with_right_checksums(
    testing_tools: Tools, tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an attacker would write them."""
    monkeypatch.setattr(Volume, "_is_sound", lambda *_: True)
    image = make(testing_tools, tmp_path / f"image{rounds}", "--metadata", "single")
    ask("btrfs", image, "churn", options="loop,compress=lzo")
    outcomes = survives(btrfs.read, image, rounds)
    assert outcomes["read"] and outcomes["refused"]


@build
def test_a_sound_copy_stands_for_a_damaged_one(testing_tools: Tools, tmp_path: Path) -> None:
    image = make(testing_tools, tmp_path / "image", "--metadata", "dup")
    volume = Volume(image)
    root = volume.tree_roots()[5]
    places = volume.places(root)
    assert len(places) == 2
    with open(image, "rb+") as opened:
        opened.seek(places[0] + 200)
        opened.write(b"damage")
        opened.flush()
        assert len(btrfs.read(image)) == 1
        opened.seek(places[1] + 200)
        opened.write(b"damage")
    assert why(image) == f"the block {root} is damaged"


@build
def test_what_is_not_read_is_named(testing_tools: Tools, tmp_path: Path) -> None:
    image = make(testing_tools, tmp_path / "image")
    with open(image, "rb") as opened:
        opened.seek(65536)
        sound = opened.read(4096)
    for at, value, named in (
        (136, 2, "it is one of 2 devices of a file system"),
        (188, 0x1371, "it is for zoned devices"),
        (188, 0x2371, "it has the second form of the extent tree"),
        (188, 0x4371, "its data are striped"),
        (188, 0x100371, "it has features not understood: incompat 0x100000"),
        (96, 1 << 20, "what was flushed before it stopped is still in its log tree"),
    ):
        changed = bytearray(sound)
        struct.pack_into("<Q", changed, at, value)
        struct.pack_into("<I", changed, 0, crc32c(changed[32:]))
        with open(image, "rb+") as opened:
            opened.seek(65536)
            opened.write(changed)
        assert why(image) == named
    with open(image, "rb+") as opened:
        opened.seek(65536)
        opened.write(sound[:300] + b"?" + sound[301:])
    assert "checksum" in why(image)


@build
def test_one_of_several_devices_is_refused(testing_tools: Tools, tmp_path: Path) -> None:
    images = [tmp_path / name for name in ("one", "two")]
    for image in images:
        with open(image, "wb") as opened:
            opened.truncate(SIZE << 20)
    argv = ["mkfs.btrfs", "--quiet", *map(str, images)]
    testing_tools.run(argv, write=images)
    assert why(images[0]) == "it is one of 2 devices of a file system"


def test_the_checksum_is_the_one_of_its_specification() -> None:
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"abc") == 0x44BC2CF5AD770999
    assert xxhash64(bytes(range(101))) == xxhash64(bytes(bytearray(range(101))))


@pytest.mark.parametrize("data", [b"", b"\x12", b"\x20\0\0", b"\x13abc\x40\xff", b"\0" * 4000])
def test_damaged_lzo_data_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        segment(data, 4096)


def test_lzo_data_that_promise_more_than_there_is() -> None:
    with pytest.raises(ValueError, match="LZO"):
        decompressed(struct.pack("<II", 5000, 4000) + bytes(20), 4096, 4096)
