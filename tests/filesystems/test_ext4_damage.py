"""Damaged images of ext4 are read or refused, whatever of them is damaged: none makes the reader
stumble, run for ever or take more memory than the image accounts for.
"""

from __future__ import annotations

import os
import random
import resource
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ext4_image import debugfs, made

from dockyard.archive import Archive, Kind, features
from dockyard.archive.entry import order
from dockyard.errors import DockyardError
from dockyard.filesystems import ext4
from dockyard.host.sandbox import Tools

pytestmark = pytest.mark.build

_UNIT = 512
_PLAIN = "^metadata_csum,^uninit_bg"
# For mke2fs: options, and the size of the image in MiB. Most are without checksums, which would
# refuse nearly all of the damage at once.
IMAGES = {
    "ext2": (["-t", "ext2", "-b", "1024"], 4),
    "ext3": (["-t", "ext3", "-b", "1024", "-I", "128", "-J", "size=1"], 8),
    "extents": (["-b", "1024", "-O", f"{_PLAIN},^has_journal"], 4),
    "wide": (["-b", "4096", "-O", f"{_PLAIN},64bit,^has_journal"], 8),
    "clusters": (["-b", "1024", "-O", f"{_PLAIN},bigalloc,^has_journal", "-C", "4096"], 8),
    "meta groups": (["-b", "1024", "-g", "1024", "-O", f"{_PLAIN},meta_bg,^resize_inode"], 16),
    "inline": (["-b", "1024", "-I", "512", "-O", f"{_PLAIN},inline_data,^has_journal"], 4),
    "large attributes": (["-b", "1024", "-O", f"{_PLAIN},ea_inode,^has_journal"], 4),
    "largest blocks": (["-b", "65536", "-O", f"{_PLAIN},^has_journal"], 16),
    "shared blocks": (["-b", "1024", "-O", f"{_PLAIN},^has_journal"], 4),
    "checksums": (["-b", "1024", "-O", "metadata_csum,^has_journal"], 4),
    "old checksums": (["-b", "1024", "-O", "uninit_bg,^metadata_csum,^has_journal"], 4),
    "journal": (["-b", "1024", "-O", _PLAIN, "-J", "size=1"], 8),
    "journal, checksums": (["-b", "1024", "-O", "metadata_csum", "-J", "size=1"], 8),
}


def _image(tools: Tools, image: Path, name: str) -> Path:
    """A small image with something of each kind, and more structure than data."""
    options, size = IMAGES[name]
    made(tools, image, options, f"{size}m")
    scattered = [f"punch scattered {at} {at}" for at in range(1, 40, 2)]
    debugfs(
        tools, image,
        "mkdir d", "symlink short t", f"symlink long {'t' * 90}", "mknod p p",
        "write small small", "write scattered scattered", *scattered,
        "cd d", "mkdir e", "write middle middle",
        *(f"write small {'n' * 200}{at}" for at in range(12)),
        "ea_set /small user.a value", "ea_set -f middle middle user.b", "ea_set /d security.c x",
        small=b"small", middle=b"m" * 900, scattered=b"s" * 40_960,
    )  # fmt: skip
    if name.startswith("journal"):
        # What stands there anyway, so that the log is full of structure.
        debugfs(
            tools, image,
            "jo -c" if "checksums" in name else "jo",
            "jw -b 1-90 blocks", "jw -r 7-9,4000", "jw -b 91-180 more", "jc",
            blocks=image.read_bytes()[1024 : 91 * 1024],
            more=image.read_bytes()[91 * 1024 : 181 * 1024],
        )  # fmt: skip
    if name == "shared blocks":
        debugfs(tools, image, "feature shared_blocks")
    return image


def _used(image: Path) -> list[int]:
    """Where the parts of an image lie that are not all zeros."""
    data = image.read_bytes()
    return [at for at in range(0, len(data), _UNIT) if any(data[at : at + _UNIT])]


def _damages(chance: random.Random, data: bytes, used: list[int]) -> Iterator[tuple[int, bytes]]:
    """Some bytes, words and whole units to be overwritten."""
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        at = chance.choice(used) + chance.randrange(0, _UNIT, 4)
        match chance.randrange(6):
            case 0:
                unit = chance.choice(used)
                yield chance.choice(used), data[unit : unit + _UNIT]
            case 1:
                yield at, struct.pack("<I", chance.randrange(len(data) // 1024 + 2))
            case 2:
                yield at, struct.pack("<I", chance.choice([0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF]))
            case 3:
                yield at, struct.pack("<HH", chance.randrange(70), chance.randrange(65536))
            case _:
                value = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
                yield at + chance.randrange(4), bytes([value])


def _require_sound(found: Archive) -> None:
    """That an archive keeps what it promises, and all its data can be read."""
    features(found)
    paths = [entry.path for entry in found]
    assert paths == sorted(set(paths), key=order)
    directories = {entry.path for entry in found if entry.kind is Kind.DIRECTORY}
    for entry in found:
        assert not entry.path or entry.parent in directories
        if entry.kind is Kind.FILE and entry.size < 1 << 20:
            assert len(found.read(entry.path)) == entry.size


def _damaged_and_read(image: Path, name: str, attempts: int) -> None:
    data, used = image.read_bytes(), _used(image)
    chance = random.Random(zlib.crc32(name.encode()))
    refused = 0
    with image.open("rb+") as opened:
        for _ in range(attempts):
            damages = list(_damages(chance, data, used))
            for at, to in damages:
                os.pwrite(opened.fileno(), to, at)
            try:
                _require_sound(ext4.read(image))
            except DockyardError as error:
                assert error.problems[0].code == "filesystems.unreadable-image"
                refused += 1
            for at, to in damages:
                os.pwrite(opened.fileno(), data[at : at + len(to)], at)
    assert 0 < refused < attempts
    _require_sound(ext4.read(image))


@pytest.mark.parametrize("name", IMAGES)
def test_random_damage(tools: Tools, tmp_path: Path, name: str) -> None:
    _damaged_and_read(_image(tools, tmp_path / "image", name), name, 60)


@pytest.mark.long
@pytest.mark.parametrize("name", IMAGES)
def test_much_random_damage(tools: Tools, tmp_path: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _damaged_and_read(_image(tools, tmp_path / "image", name), f"more {name}", 1500)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (256 << 10)


def _refused(image: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        ext4.read(image)
    assert caught.value.problems[0].code == "filesystems.unreadable-image"
    return caught.value.problems[0].why


def _block_of(tools: Tools, image: Path, path: str) -> int:
    return int(debugfs(tools, image, f"blocks {path}").split()[-1])


@pytest.mark.parametrize("slot", ["IND", "DIND", "TIND"])
def test_a_block_map_that_leads_to_itself(tools: Tools, tmp_path: Path, slot: str) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-t", "ext2", "-b", "1024"], "4m")
    debugfs(tools, image, "write data f", data=b"x" * 1024)
    number = _block_of(tools, image, "f")
    debugfs(tools, image, f"sif f block[{slot}] {number}", "sif f size 100000000")
    with image.open("rb+") as opened:
        os.pwrite(opened.fileno(), number.to_bytes(4, "little") * 256, number * 1024)
    found = ext4.read(image) if slot == "IND" else None
    assert found or "has a loop" in _refused(image)


def test_extents_that_lead_to_themselves(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-b", "1024", "-O", f"{_PLAIN},^has_journal"], "4m")
    debugfs(tools, image, "write data f", data=b"x" * 1024)
    number = _block_of(tools, image, "f")
    for depth in (1, 3, 5, 6):
        area = struct.pack("<HHHHI IIHH", 0xF30A, 1, 4, depth, 0, 0, number, 0, 0)
        words = struct.unpack("<6I", area)
        debugfs(tools, image, *(f"sif f block[{at}] {word}" for at, word in enumerate(words)))
        below = struct.pack("<HHHHI IIHH", 0xF30A, 84, 84, depth - 1, 0, 0, number, 0, 0)
        with image.open("rb+") as opened:
            os.pwrite(opened.fileno(), below + below[12:] * 83, number * 1024)
        assert "of inode 12" in _refused(image)


def test_files_that_take_more_than_there_is(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-t", "ext2", "-b", "1024"], "4m")
    files = [f"f{at}" for at in range(40)]
    debugfs(tools, image, *(f"write data {name}" for name in files), data=b"x" * 13_000)
    debugfs(tools, image, "write data map", data=b"x" * 1024)
    number = _block_of(tools, image, "map")
    with image.open("rb+") as opened:
        os.pwrite(opened.fileno(), struct.pack("<256I", *range(1000, 1256)), number * 1024)
    debugfs(
        tools,
        image,
        *(f"sif {name} block[IND] {number}" for name in files),
        *(f"sif {name} size 270000" for name in files),
    )
    assert _refused(image) == "its files take more than it can hold"
    debugfs(tools, image, "feature shared_blocks")
    assert len(ext4.read(image)) == 42


def test_attributes_whose_values_overlap(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    made(tools, image, ["-t", "ext2", "-b", "1024", "-I", "128"], "4m")
    debugfs(tools, image, "write data f", "ea_set -f value f user.a", data=b"x", value=b"v" * 500)
    data = bytearray(image.read_bytes())
    at = data.index(b"\0\0\x02\xea") + 32
    entry = data[at : at + 20]
    for index in range(8):
        data[at + index * 20 : at + index * 20 + 20] = entry[:16] + b"%04d" % index
        data[at + index * 20] = 4
    image.write_bytes(data)
    assert "the attributes of inode" in _refused(image)
