"""A damaged image is read or refused, but never makes a reader stumble or run for ever."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Archive, features
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, directory, file, plain

SPEC = FilesystemSpec(UUID(int=7), epoch=1_767_225_600)
SIZES = {"ext4": 16, "erofs": 0, "xfs": 300, "btrfs": 128, "vfat": 2}
BLOCK = 512
pytestmark = pytest.mark.build


def _small() -> Archive:
    kept = [e for e in plain() if e.path not in (b"a/holes", b"a/large")]
    return Archive.from_entries(kept, DATA)


def _used(image: Path) -> Iterator[int]:
    """Where the blocks of an image lie that are not all zeros."""
    with open(image, "rb") as opened:
        at = 0
        while True:
            try:
                at = os.lseek(opened.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            if any(os.pread(opened.fileno(), BLOCK, at)):
                yield at
            at += BLOCK


def _for(name: str) -> Archive:
    if name != "vfat":
        return _small()
    return Archive.from_entries([directory(b"a"), *(file(b"a/%d" % at) for at in range(40))])


@pytest.mark.parametrize("name", sorted(SIZES))
def test_random_damage(tools: Tools, testing_tools: Tools, tmp_path: Path, name: str) -> None:
    filesystem, image = by_name(name), tmp_path / "image"
    given = tools if filesystem.needs == "main" else testing_tools
    filesystem.write(_for(name), image, SIZES[name] << 20, SPEC, given)
    used = list(_used(image))
    chance = random.Random(name)
    outcomes = {"read": 0, "refused": 0}
    with open(image, "rb+") as opened:
        for _ in range(120):
            places = [chance.choice(used) + chance.randrange(BLOCK) for _ in range(6)]
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
