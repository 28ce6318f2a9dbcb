"""A damaged image is read or refused, but never makes a reader stumble or run for ever."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from foreign import SECTOR, sectors_in_use

from dockyard.archive import Archive, features
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.filesystems.image import MappedImage
from dockyard.filesystems.inodes import numbers_by_path
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, directory, file, plain

SPEC = FilesystemSpec(UUID(int=7), epoch=1_767_225_600)
SIZES = {"ext4": 16, "erofs": 0, "xfs": 300, "btrfs": 128, "vfat": 2}
pytestmark = pytest.mark.build


class MappedExample(MappedImage):
    kind = "example"


def _small() -> Archive:
    kept = [e for e in plain() if e.path not in (b"a/holes", b"a/large")]
    return Archive.from_entries(kept, DATA)


def _for(name: str) -> Archive:
    if name != "vfat":
        return _small()
    return Archive.from_entries([directory(b"a"), *(file(b"a/%d" % at) for at in range(40))])


@pytest.mark.parametrize("name", sorted(SIZES))
def test_random_damage(tools: Tools, testing_tools: Tools, tmp_path: Path, name: str) -> None:
    filesystem, image = by_name(name), tmp_path / "image"
    given = tools if filesystem.needs == "main" else testing_tools
    filesystem.write(_for(name), image, SIZES[name] << 20, SPEC, given)
    used = list(sectors_in_use(image))
    chance = random.Random(name)
    outcomes = {"read": 0, "refused": 0}
    with open(image, "rb+") as opened:
        for _ in range(120):
            places = [chance.choice(used) + chance.randrange(SECTOR) for _ in range(6)]
            sound: dict[int, bytes] = {}
            for place in places:
                opened.seek(place)
                sound.setdefault(place, opened.read(1))
                opened.seek(place)
                opened.write(bytes([chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])]))
            opened.flush()
            try:
                found = filesystem.read(image, tools, tmp_path)
                features(found)
                outcomes["read"] += 1
            except DockyardError:
                outcomes["refused"] += 1
            for place, byte in sound.items():
                opened.seek(place)
                opened.write(byte)
    assert outcomes["read"] + outcomes["refused"] == 120
    assert outcomes["refused"]


def test_random_damage_of_compressed_data(tools: Tools, tmp_path: Path) -> None:
    filesystem, image = by_name("erofs"), tmp_path / "image"
    words = b"".join(b"%d words\n" % at for at in range(900))
    paths = [b"a%d/%d" % (at % 9, at) for at in range(60)]
    archive = Archive.from_entries([file(path) for path in paths], dict.fromkeys(paths, words))
    spec = replace(SPEC, options={"compression": "lz4hc,level=9"})
    filesystem.write(archive, image, 0, spec, tools)
    used, sound = list(sectors_in_use(image)), image.read_bytes()
    chance = random.Random("compressed")
    refused = 0
    for attempt in range(40):
        damaged = bytearray(sound)
        for _ in range(4):
            damaged[chance.choice(used) + chance.randrange(SECTOR)] = chance.randrange(256)
        image.write_bytes(damaged)
        scratch = tmp_path / f"scratch{attempt}"
        scratch.mkdir()
        try:
            features(filesystem.read(image, tools, scratch))
        except DockyardError:
            refused += 1
        shutil.rmtree(scratch)
    assert refused


class Forgetful(Tools):
    """Tools whose fsck.erofs passes over every file, as it does with some that are damaged."""

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        return Completed(tuple(argv), 0, b"", b"")


def test_compressed_data_that_are_not_unpacked(tools: Tools, tmp_path: Path) -> None:
    filesystem, image = by_name("erofs"), tmp_path / "image"
    spec = replace(SPEC, options={"compression": "lz4"})
    archive = Archive.from_entries([file(b"a/b")], {b"a/b": b"word" * 5000})
    filesystem.write(archive, image, 0, spec, tools)
    with pytest.raises(DockyardError) as caught:
        filesystem.read(image, Forgetful(tools.root), tmp_path)
    assert "the data of /a/b could not be unpacked" in caught.value.problems[0].why


@pytest.mark.parametrize("name", [b"..", b"a/b", b""])
def test_an_entry_that_is_no_name(name: bytes, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(4096))
    with pytest.raises(DockyardError) as caught:
        numbers_by_path(MappedExample(image), 1, lambda number: [(name, 2, False)])
    assert caught.value.problems[0].why == "directory 1 has an entry that is not a name"
